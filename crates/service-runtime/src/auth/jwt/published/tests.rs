//! Keys from a site that rotates, fails, stalls and lies.

mod site;

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use self::site::{Answer, Site, response, status_line};
use super::super::tests::{Issuer, claims};
use super::super::{Config, Jwt, NO_KEY};
use super::*;
use crate::auth::Checked;
use crate::auth::caller::Caller;
use crate::auth::recent::Recent;
use crate::auth::refusal::Refusal;

/// The bound of every wait: far more than anything here needs.
const SOON: Duration = Duration::from_secs(20);

/// Nothing happens by itself within a test's time.
const NEVER: Duration = Duration::from_hours(1);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(SOON, future).await;
    outcome.unwrap_or_else(|_| panic!("{what} must happen"))
}

/// What the layer does with a call.
async fn check(jwt: &Jwt, token: &str) -> Result<Caller, Refusal> {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    headers.insert(header::AUTHORIZATION, value);
    match jwt.check(&headers, Timestamp::now(), &mut Recent::default()) {
        Checked::Known(caller) => Ok(caller),
        Checked::Refused(refusal) => Err(refusal),
        Checked::Later(pending) => soon("the decision", pending).await,
        Checked::NotMine => panic!("it is a token"),
    }
}

fn keys_of(issuer: &Issuer, kid: &str) -> Value {
    let mut key = issuer.jwks()["keys"][0].clone();
    key["kid"] = json!(kid);
    json!({ "keys": [key] })
}

fn token_of(issuer: &Issuer, kid: &str) -> String {
    issuer.sign(&json!({ "alg": "EdDSA", "kid": kid }), &claims())
}

fn failure(jwt: &Jwt) -> String {
    let status = jwt.published().unwrap().status();
    status.failed.unwrap_or_default()
}

async fn fails_by(jwt: &Jwt, part: &str) {
    soon(&format!("a failure by {part:?}"), async {
        while !failure(jwt).contains(part) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_that_comes_before_the_first_keys_waits_for_them() {
    let issuer = Issuer::new();
    let site = Site::start(Answer::Keys(keys_of(&issuer, "a"))).await;
    let jwt = site.jwt(|_| {});
    let caller = check(&jwt, &token_of(&issuer, "a")).await;
    caller.expect("it is let in once the keys are there");
    assert_eq!(site.asked(), 1);
    let status = jwt.published().unwrap().status();
    assert_eq!(status.to_string(), "up to date");
}

#[tokio::test]
async fn a_token_by_a_new_key_causes_a_fetch_and_is_let_in() {
    let (old, new) = (Issuer::new(), Issuer::new());
    let site = Site::start(Answer::Keys(keys_of(&old, "old"))).await;
    let jwt = site.jwt(|_| {});
    check(&jwt, &token_of(&old, "old")).await.unwrap();

    site.set(Answer::Keys(keys_of(&new, "new")));
    let caller = check(&jwt, &token_of(&new, "new")).await;
    caller.expect("a rotation must refuse nobody");
    assert_eq!(site.asked(), 2);
    // It was let in by a key that is gone.
    site.set(Answer::Keys(keys_of(&new, "new")));
    let refusal = check(&jwt, &token_of(&old, "old")).await.unwrap_err();
    assert_eq!(refusal, Refusal::Invalid(NO_KEY));
}

#[tokio::test]
async fn strangers_cannot_make_the_issuer_be_asked_again_and_again() {
    let (issuer, stranger) = (Issuer::new(), Issuer::new());
    let site = Site::start(Answer::Keys(keys_of(&issuer, "a"))).await;
    let jwt = site.jwt(|it| it.fetch.unknown_kid_interval = NEVER);
    check(&jwt, &token_of(&issuer, "a")).await.unwrap();
    for n in 0..100 {
        let refusal = check(&jwt, &token_of(&stranger, &n.to_string())).await;
        assert_eq!(refusal, Err(Refusal::Invalid(NO_KEY)));
    }
    // A kid that is known, with an algorithm that does not fit, is no new key.
    let odd = stranger.sign(&json!({ "alg": "ES256", "kid": "a" }), &claims());
    check(&jwt, &odd).await.unwrap_err();
    assert_eq!(
        site.asked(),
        2,
        "one fetch at the start, and one for strangers"
    );
    check(&jwt, &token_of(&issuer, "a")).await.unwrap();
}

#[tokio::test]
async fn strangers_who_wait_are_bounded_in_number_and_hold_up_nobody() {
    let (issuer, stranger) = (Issuer::new(), Issuer::new());
    let site = Site::start(Answer::Keys(keys_of(&issuer, "a"))).await;
    let jwt = site.jwt(|_| {});
    check(&jwt, &token_of(&issuer, "a")).await.unwrap();
    site.set(Answer::Stalled);
    let token = token_of(&stranger, "b");
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    headers.insert(header::AUTHORIZATION, value);
    let check_once = || jwt.check(&headers, Timestamp::now(), &mut Recent::default());
    let waiting: Vec<_> = (0..MOST_WAITING).map(|_| check_once()).collect();
    assert!(waiting.iter().all(|it| matches!(it, Checked::Later(_))));
    assert!(matches!(check_once(), Checked::Refused(_)));
    check(&jwt, &token_of(&issuer, "a")).await.unwrap();
    drop(waiting);
    assert!(
        matches!(check_once(), Checked::Later(_)),
        "places are given back"
    );
}

#[tokio::test]
async fn a_set_that_cannot_be_had_keeps_the_old_keys_and_says_why() {
    let issuer = Issuer::new();
    let good = Answer::Keys(keys_of(&issuer, "a"));
    let site = Site::start(good.clone()).await;
    let jwt = site.jwt(|it| {
        it.fetch.interval_min = Duration::from_millis(5);
        it.fetch.interval_max = Duration::from_millis(5);
        it.fetch.max_size = 4096;
    });
    let token = token_of(&issuer, "a");
    check(&jwt, &token).await.unwrap();
    let large = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(5000));
    for (answer, part) in [
        (status_line("500 Internal Server Error"), "500"),
        (status_line("404 Not Found"), "404"),
        (Answer::Bytes(response("", &large)), "more than 4096 bytes"),
        (
            Answer::Bytes(response("", "<html>")),
            "expected a JSON Web Key Set",
        ),
        (
            Answer::Keys(json!({ "keys": [] })),
            "expected at least one key",
        ),
        (
            Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\xff".to_vec()),
            "not UTF-8",
        ),
        (
            Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}".to_vec()),
            "cannot be read to its end",
        ),
        (Answer::Bytes(b"nonsense".to_vec()), "cannot be asked"),
        (Answer::Bytes(Vec::new()), "cannot be asked"),
    ] {
        site.set(answer);
        fails_by(&jwt, part).await;
        let shown = jwt.published().unwrap().status().to_string();
        assert!(
            shown.starts_with("there, and cannot be fetched again: "),
            "{shown}"
        );
        let caller = check(&jwt, &token).await;
        caller.expect("the old keys must stay");
    }
    site.set(good);
    soon("the recovery", async {
        while !failure(&jwt).is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    let issuer = Issuer::new();
    let site = Site::start(Answer::Stalled).await;
    let jwt = site.jwt(|it| it.fetch.timeout = Duration::from_millis(200));
    let refusal = check(&jwt, &token_of(&issuer, "a")).await;
    assert_eq!(refusal, Err(Refusal::NoKeys));
    assert_eq!(failure(&jwt), "no complete answer within 200ms");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let issuer = Issuer::new();
    let elsewhere = Site::start(Answer::Keys(keys_of(&issuer, "a"))).await;
    for to in [
        elsewhere.url.clone(),
        elsewhere.url.replace("https", "http"),
    ] {
        let redirect = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        let site = Site::start(Answer::Bytes(redirect.into_bytes())).await;
        let jwt = site.jwt(|_| {});
        let refusal = check(&jwt, &token_of(&issuer, "a")).await;
        assert_eq!(refusal, Err(Refusal::NoKeys));
        assert!(failure(&jwt).contains("302 Found"), "{}", failure(&jwt));
    }
    assert_eq!(elsewhere.asked(), 0);
}

#[tokio::test]
async fn an_issuer_by_another_authority_is_not_believed() {
    let issuer = Issuer::new();
    let site = Site::start(Answer::Keys(keys_of(&issuer, "a"))).await;
    let other = Site::start(Answer::Stalled).await;
    let jwt = site.jwt(|it| it.fetch.ca = other.ca.path().into());
    let refusal = check(&jwt, &token_of(&issuer, "a")).await;
    assert_eq!(refusal, Err(Refusal::NoKeys));
    assert!(failure(&jwt).contains("certificate"), "{}", failure(&jwt));
    assert_eq!(site.asked(), 0);
}

#[tokio::test]
async fn keys_are_fetched_again_when_their_max_age_is_over() {
    let (old, new) = (Issuer::new(), Issuer::new());
    let fresh = |seconds: u64, keys: &Value| {
        let header = format!("Cache-Control: max-age={seconds}\r\n");
        Answer::Bytes(response(&header, &keys.to_string()))
    };
    let site = Site::start(fresh(0, &keys_of(&old, "k"))).await;
    let jwt = site.jwt(|it| it.fetch.interval_min = Duration::from_millis(5));
    check(&jwt, &token_of(&old, "k")).await.unwrap();
    // The same kid, so that no token asks for it.
    site.set(fresh(0, &keys_of(&new, "k")));
    soon("the new keys", async {
        while check(&jwt, &token_of(&new, "k")).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    check(&jwt, &token_of(&old, "k")).await.unwrap_err();
    site.asked_again().await;
}

#[tokio::test]
async fn an_issuer_that_is_not_there_at_the_start_is_waited_for_and_asked_again() {
    let issuer = Issuer::new();
    let site = Site::start(status_line("503 Service Unavailable")).await;
    let jwt = site.jwt(|it| it.fetch.interval_min = Duration::from_millis(5));
    let refusal = check(&jwt, &token_of(&issuer, "a")).await;
    assert_eq!(refusal, Err(Refusal::NoKeys));
    let shown = jwt.published().unwrap().status().to_string();
    assert!(shown.starts_with("missing: "), "{shown}");
    site.set(Answer::Keys(keys_of(&issuer, "a")));
    soon("the keys", async {
        while check(&jwt, &token_of(&issuer, "a")).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[test]
fn settings_that_would_believe_anybody_are_refused() {
    let refused = |change: fn(&mut Config)| {
        let mut config = Config {
            jwks_url: "https://issuer.example.com/keys".to_owned(),
            issuer: "issuer".to_owned(),
            audience: "this".to_owned(),
            ..Config::default()
        };
        change(&mut config);
        let mut violations = crate::settings::Violations::default();
        config.validate(&mut violations);
        violations
    };
    assert!(refused(|_| {}).is_empty());
    for (change, part) in [
        (
            (|it: &mut Config| it.jwks = "/jwks".into()) as fn(&mut Config),
            "jwks",
        ),
        (|it| it.jwks_url = String::new(), "jwks"),
        (
            |it| it.jwks_url = "http://issuer.example.com/".into(),
            "jwks_url",
        ),
        (
            |it| it.algorithms.push(super::super::Algorithm::Hs256),
            "algorithms",
        ),
        (
            |it| it.fetch.unknown_kid_interval = Duration::ZERO,
            "unknown_kid_interval",
        ),
    ] {
        let text = format!("{:?}", refused(change));
        assert!(text.contains(part), "{part:?}: {text}");
    }
}
