//! Tests of tokens: what is accepted, and every way in which one is refused.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use proptest::prelude::*;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use serde_json::json;

use super::super::reload::Parse as _;
use super::*;

/// The modulus of RFC 7515, appendix A.2, which is public.
const RSA_MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

const SECRET: &[u8] = b"a secret of thirty-two bytes, or";

/// An issuer with a key of each kind, but the private one of RSA.
pub(super) struct Issuer {
    ed25519: Ed25519KeyPair,
    p256: EcdsaKeyPair,
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

pub(super) fn claims() -> Value {
    json!({ "iss": "issuer", "aud": ["other", "this"], "sub": "job-7", "exp": now() + 600,
        "scope": "read write", "groups": ["a", 1, "b"], "level": 3 })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn start(config: Config, jwks: &Value) -> (Jwt, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    write(file.path(), jwks);
    let config = Config {
        jwks: file.path().to_owned(),
        issuer: "issuer".to_owned(),
        audience: "this".to_owned(),
        ..config
    };
    (Jwt::start(&config).unwrap(), file)
}

fn write(path: &Path, jwks: &Value) {
    std::fs::write(path, jwks.to_string()).unwrap();
}

/// As the first call of a connection.
fn check(jwt: &Jwt, token: &[u8]) -> Result<Caller, Refusal> {
    check_on(jwt, token, &mut Recent::default())
}

/// As the next call of a connection.
fn check_on(jwt: &Jwt, token: &[u8], recent: &mut Recent) -> Result<Caller, Refusal> {
    let mut headers = HeaderMap::new();
    let Ok(value) = HeaderValue::from_bytes(&[b"Bearer ", token].concat()) else {
        return Err(Refusal::Missing);
    };
    headers.insert(http::header::AUTHORIZATION, value);
    match jwt.check(&headers, Timestamp::now(), recent) {
        Checked::Known(caller) => Ok(caller),
        Checked::Refused(refusal) => Err(refusal),
        Checked::NotMine => Err(Refusal::Missing),
        Checked::Later(_) => panic!("tokens are verified at once"),
    }
}

fn refused(jwt: &Jwt, token: &str) -> Cause {
    match check(jwt, token.as_bytes()) {
        Err(Refusal::Invalid(cause)) => cause,
        outcome => panic!("{outcome:?} must be a refusal"),
    }
}

// === impl Issuer ===

impl Issuer {
    pub(super) fn new() -> Self {
        let random = SystemRandom::new();
        let ed25519 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let p256 = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let ecdsa = EcdsaKeyPair::generate_pkcs8(p256, &random).unwrap();
        Self {
            ed25519: Ed25519KeyPair::from_pkcs8(ed25519.as_ref()).unwrap(),
            p256: EcdsaKeyPair::from_pkcs8(p256, ecdsa.as_ref(), &random).unwrap(),
        }
    }

    pub(super) fn jwks(&self) -> Value {
        let point = self.p256.public_key().as_ref();
        json!({ "keys": [
            { "kid": "ed", "kty": "OKP", "crv": "Ed25519", "x": encode(self.ed25519.public_key()) },
            { "kid": "ec", "kty": "EC", "crv": "P-256", "alg": "ES256",
              "x": encode(&point[1..33]), "y": encode(&point[33..]) },
            { "kid": "rsa", "kty": "RSA", "n": RSA_MODULUS, "e": "AQAB", "use": "sig" },
            { "kid": "secret", "kty": "oct", "k": encode(SECRET) },
            { "kid": "enc", "kty": "RSA", "n": RSA_MODULUS, "e": "AQAB", "use": "enc" },
            { "kid": "odd", "kty": "odd" },
        ] })
    }

    pub(super) fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(claims.to_string())
        );
        let bytes = message.as_bytes();
        let signature = match header["alg"].as_str().unwrap() {
            "EdDSA" => self.ed25519.sign(bytes).as_ref().to_vec(),
            "ES256" => {
                let random = SystemRandom::new();
                self.p256.sign(&random, bytes).unwrap().as_ref().to_vec()
            }
            _ => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
                hmac::sign(&key, bytes).as_ref().to_vec()
            }
        };
        format!("{message}.{}", encode(signature))
    }

    fn token(&self, claims: &Value) -> String {
        self.sign(&json!({ "alg": "EdDSA", "kid": "ed" }), claims)
    }
}

#[tokio::test]
async fn good_tokens_say_who_is_calling() {
    let issuer = Issuer::new();
    let (jwt, _file) = start(Config::default(), &issuer.jwks());
    for header in [
        json!({ "alg": "EdDSA", "kid": "ed" }),
        json!({ "alg": "ES256", "kid": "ec" }),
        // There is one key for this algorithm.
        json!({ "alg": "EdDSA", "typ": "JWT" }),
    ] {
        let token = issuer.sign(&header, &claims());
        let caller = check(&jwt, token.as_bytes()).expect("a good token is let in");
        assert_eq!(
            caller,
            check(&jwt, token.as_bytes()).unwrap(),
            "also when remembered"
        );
        assert_eq!(caller.to_string(), "jwt:job-7");
        let Principal::Jwt { claims, .. } = caller.principal() else {
            panic!("{caller:?} must be of a token");
        };
        assert_eq!(claims["scope"], ["read", "write"]);
        assert_eq!(claims["groups"], ["a", "b"]);
        assert!(!claims.contains_key("level"));
    }
}

#[tokio::test]
async fn claims_that_do_not_fit_are_refused() {
    let issuer = Issuer::new();
    let (jwt, _file) = start(Config::default(), &issuer.jwks());
    for (claims, cause) in [
        (with("exp", json!(now() - 60)), "the token has expired"),
        (
            with("exp", json!("soon")),
            "the token lacks one of exp, iss, aud and sub",
        ),
        (
            with("exp", Value::Null),
            "the token lacks one of exp, iss, aud and sub",
        ),
        (with("nbf", json!(now() + 60)), "the token is not valid yet"),
        (with("iss", json!("other")), "the token has another issuer"),
        (
            with("iss", Value::Null),
            "the token lacks one of exp, iss, aud and sub",
        ),
        (
            with("aud", json!("other")),
            "the token has another audience",
        ),
        (
            with("aud", Value::Null),
            "the token lacks one of exp, iss, aud and sub",
        ),
        (
            with("sub", Value::Null),
            "the token lacks one of exp, iss, aud and sub",
        ),
        (
            with("sub", json!("a\nb")),
            "the sub is empty or has control characters",
        ),
        (json!([]), "the token is malformed"),
    ] {
        assert_eq!(refused(&jwt, &issuer.token(&claims)), cause, "{claims}");
    }
    for claims in [
        with("exp", json!(now() - 10)),
        with("nbf", json!(now() + 10)),
    ] {
        let token = issuer.token(&claims);
        assert!(
            check(&jwt, token.as_bytes()).is_ok(),
            "clocks may differ: {claims}"
        );
    }
}

#[tokio::test]
async fn confused_algorithms_and_keys_are_refused() {
    let issuer = Issuer::new();
    let (jwt, _file) = start(Config::default(), &issuer.jwks());
    let unsigned = |alg: &str| {
        let header = json!({ "alg": alg, "kid": "ed" }).to_string();
        format!("{}.{}.", encode(header), encode(claims().to_string()))
    };
    for alg in ["none", "None", "nOnE", ""] {
        assert_eq!(refused(&jwt, &unsigned(alg)), "the token is malformed");
    }
    // HS256 with what is public about a key as its secret.
    let modulus = URL_SAFE_NO_PAD.decode(RSA_MODULUS).unwrap();
    let jwks = issuer.jwks().to_string();
    for kid in [
        "rsa",
        "ed",
        "ec",
        "secret",
        "enc",
        "unknown",
        "../../dev/null",
    ] {
        let header = json!({ "alg": "HS256", "kid": kid }).to_string();
        let message = format!("{}.{}", encode(header), encode(claims().to_string()));
        for secret in [
            &modulus,
            RSA_MODULUS.as_bytes(),
            issuer.ed25519.public_key().as_ref(),
            issuer.p256.public_key().as_ref(),
            SECRET,
            jwks.as_bytes(),
            b"",
        ] {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            let signature = encode(hmac::sign(&key, message.as_bytes()));
            let cause = refused(&jwt, &format!("{message}.{signature}"));
            assert_eq!(cause, "no key fits kid and alg", "{kid}");
        }
    }
    for (header, cause) in [
        (
            json!({ "alg": "EdDSA", "kid": "ec" }),
            "no key fits kid and alg",
        ),
        (
            json!({ "alg": "EdDSA", "kid": "other" }),
            "no key fits kid and alg",
        ),
        (
            json!({ "alg": "EdDSA", "kid": "ed", "crit": ["b64"] }),
            "a critical header is not understood",
        ),
    ] {
        assert_eq!(refused(&jwt, &issuer.sign(&header, &claims())), cause);
    }
    // The header brings its own key.
    let stranger = Issuer::new();
    let header = json!({ "alg": "EdDSA", "kid": "ed", "jwk": stranger.jwks()["keys"][0] });
    let token = stranger.sign(&header, &claims());
    assert_eq!(refused(&jwt, &token), "the token's signature is wrong");
}

#[tokio::test]
async fn a_shared_secret_is_accepted_only_by_an_explicit_setting() {
    let issuer = Issuer::new();
    let token = issuer.sign(&json!({ "alg": "HS256", "kid": "secret" }), &claims());
    let config = Config {
        algorithms: vec![Algorithm::EdDsa, Algorithm::Hs256],
        ..Config::default()
    };
    let (jwt, _file) = start(config, &issuer.jwks());
    assert!(check(&jwt, token.as_bytes()).is_ok());
    let (jwt, _file) = start(Config::default(), &issuer.jwks());
    assert_eq!(refused(&jwt, &token), "no key fits kid and alg");
}

#[tokio::test]
async fn keys_that_are_taken_away_verify_nothing_any_more() {
    let issuer = Issuer::new();
    let (jwt, file) = start(Config::default(), &issuer.jwks());
    let token = issuer.token(&claims());
    let mut recent = Recent::default();
    assert!(check_on(&jwt, token.as_bytes(), &mut recent).is_ok());
    write(file.path(), &Issuer::new().jwks());
    tokio::time::timeout(Duration::from_secs(20), async {
        while check(&jwt, token.as_bytes()).is_ok() {
            tokio::task::yield_now().await;
        }
        let refused = check_on(&jwt, token.as_bytes(), &mut recent);
        refused.expect_err("a connection that had it must forget it, too");
    })
    .await
    .expect("a token must be forgotten with its key");
}

#[test]
fn key_sets_with_mistakes_are_refused_and_not_shown() {
    let reader = Reader {
        algorithms: Config::default().algorithms,
        remember: 1,
    };
    let secret = encode(SECRET);
    for text in [
        format!("{{\"keys\": [\"{secret}\"]}}"),
        format!("{{\"keys\": [{{\"kty\": \"oct\", \"k\": \"{secret}\"}}]}}"),
        secret.clone(),
        String::new(),
    ] {
        let message = reader.parse(&text).err().unwrap().to_string();
        assert!(message.starts_with("expected"), "{message}");
        assert!(!message.contains(&secret), "{message}");
    }
    let twin = json!({ "kid": "a", "kty": "OKP", "crv": "Ed25519", "x": encode([7; 32]) });
    let twins = json!({ "keys": [twin, twin] }).to_string();
    assert!(matches!(reader.parse(&twins), Err(KeysError::Twice)));
}

#[test]
fn keys_that_anybody_could_have_or_that_are_for_something_else_are_not_used() {
    let reader = Reader {
        algorithms: vec![Algorithm::Hs256, Algorithm::EdDsa],
        remember: 1,
    };
    let secret = |bytes: &[u8]| json!({ "kty": "oct", "k": encode(bytes) });
    let mut encrypting = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode([7; 32]) });
    encrypting["key_ops"] = json!(["encrypt"]);
    for key in [secret(b""), secret(&SECRET[1..]), encrypting.clone()] {
        let text = json!({ "keys": [key] }).to_string();
        assert!(
            matches!(reader.parse(&text), Err(KeysError::NoKey)),
            "{text}"
        );
    }
    encrypting["key_ops"] = json!(["verify"]);
    for key in [secret(SECRET), encrypting] {
        let text = json!({ "keys": [key] }).to_string();
        assert!(reader.parse(&text).is_ok(), "{text}");
    }
}

proptest! {
    /// One changed byte anywhere, and the token is worth nothing.
    #[test]
    fn a_changed_token_is_never_let_in(at: prop::sample::Index, byte: u8) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let issuer = Issuer::new();
            let (jwt, _file) = start(Config::default(), &issuer.jwks());
            let good = issuer.token(&claims()).into_bytes();
            let mut recent = Recent::default();
            assert!(check_on(&jwt, &good, &mut recent).is_ok());
            let mut token = good.clone();
            let at = at.index(token.len());
            token[at] = byte;
            assert!(token == good || check_on(&jwt, &token, &mut recent).is_err());
        });
    }

    /// No bytes make it panic, whatever their length, and none are let in.
    #[test]
    fn no_other_bytes_are_let_in(parts in prop::collection::vec(any::<Vec<u8>>(), 0..5), encoded: bool, filler in 0..20_000_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (jwt, _file) = start(Config::default(), &Issuer::new().jwks());
            let mut token = Vec::new();
            for part in &parts {
                token.extend(if encoded { encode(part).into_bytes() } else { part.clone() });
                token.push(b'.');
            }
            token.resize(token.len() + filler, b'A');
            assert!(check(&jwt, &token).is_err());
        });
    }
}
