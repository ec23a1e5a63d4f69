//! What `resolve` shows of a target, and with which exit code.

use serde_json::json;

use crate::dns::{Dns, TTL};
use crate::program::run;

const NAME: &str = "headless.test.";

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_shown_with_every_address_and_its_ttl() {
    let dns = Dns::start().await;
    dns.name(
        NAME,
        &["10.0.0.2".parse().unwrap(), "10.0.0.1".parse().unwrap()],
    );
    let target = dns.target(NAME, 50_051);
    let ended = run(&["resolve", &target]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let expected = format!(
        "asked  the A and AAAA records of {NAME} at {}\nname   {NAME}\n       \
         10.0.0.1:50051\n       10.0.0.2:50051\n2 addresses, TTL {TTL}s\n",
        dns.address
    );
    assert_eq!(ended.stdout, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_get_the_same_as_json() {
    let dns = Dns::start().await;
    dns.name(NAME, &["10.0.0.1".parse().unwrap()]);
    let target = dns.target(NAME, 50_051);
    // The target of the settings is the one that is resolved without an argument.
    let ended = run(&["resolve", "--target", &target, "--output", "json"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let expected = json!({
        "target": target,
        "asked": format!("the A and AAAA records of {NAME} at {}", dns.address),
        "name": NAME,
        "count": 1,
        "ttlSeconds": TTL,
        "addresses": [{"address": "10.0.0.1:50051"}],
    });
    assert_eq!(ended.json(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_that_are_their_own_answer_are_shown_too() {
    for (target, line) in [
        ("ipv4:10.0.0.1:1,10.0.0.2:1", "10.0.0.2:1"),
        ("ipv6:[::1]:1", "[::1]:1"),
        ("unix:///run/grpc.sock", "unix:/run/grpc.sock"),
    ] {
        let ended = run(&["resolve", target]).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.stdout.contains(line), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_is_told_with_its_reason_and_a_code_that_says_try_later() {
    let dns = Dns::start().await;
    dns.name("empty.test.", &[]);
    for (name, reason) in [
        (NAME, "does not exist (NXDOMAIN)"),
        ("empty.test.", "has no addresses"),
    ] {
        let ended = run(&["resolve", &dns.target(name, 1)]).await;
        assert_eq!(ended.code, 69, "{ended:?}");
        assert!(ended.stderr.contains(reason), "{reason}: {ended:?}");
        assert_eq!(ended.stdout, "", "there is nothing to show");
    }
    let ended = run(&["resolve", "http://host:1"]).await;
    assert_eq!(ended.code, 64, "no target is a usage error: {ended:?}");
}
