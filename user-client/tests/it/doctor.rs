//! What `doctor` finds: every fault is made on purpose, and must be told from all the others.

mod certificates;
mod faults;
mod search;
mod tls;

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use crate::dns::Dns;
use crate::program::run;
use crate::replica::{Fault, Replica};

const NAME: &str = "echo-headless.default.svc.cluster.local.";

/// Runs `doctor`, with short times for what never answers.
async fn doctor(args: &[&str]) -> (i32, Value) {
    let common = ["doctor", "--output", "json", "--timeout", "5s"];
    let ended = run(&[&common, args].concat()).await;
    (ended.code, ended.json())
}

/// One answer.
fn finding<'a>(report: &'a Value, question: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap().iter();
    let mut asked = findings.filter(|it| it["question"] == question);
    asked
        .next()
        .unwrap_or_else(|| panic!("{question} must be answered: {report:#}"))
}

/// Whether it failed in these words, with this as a next step, and nothing else failed.
fn assert_only(report: &Value, question: &str, says: &str, next: &str) {
    for it in report["findings"].as_array().unwrap() {
        if it["question"] != question {
            assert_ne!(
                it["outcome"], "failed",
                "only {question} is wrong: {report:#}"
            );
        }
    }
    assert_failed(report, question, says, next);
}

fn assert_failed(report: &Value, question: &str, says: &str, next: &str) {
    let found = finding(report, question);
    assert_eq!(found["outcome"], "failed", "{report:#}");
    let said = found["says"].as_str().unwrap();
    assert!(said.contains(says), "{says:?} must be said: {found:#}");
    let steps = found["next"].to_string();
    assert!(steps.contains(next), "{next:?} must be a step: {found:#}");
    assert_eq!(report["ok"], false);
}

/// Two replicas at one port of two addresses.
fn two(names: [&'static str; 2], fault: Fault) -> [Replica; 2] {
    loop {
        let first = Replica::start(names[0], fault);
        let beside = SocketAddr::from(([127, 0, 0, 2], first.address.port()));
        // Somebody else may have that port there.
        if std::net::TcpListener::bind(beside).is_ok() {
            let second = Replica::start_at(beside, names[1], fault, first.store.clone());
            return [first, second];
        }
    }
}

fn ip(replica: &Replica) -> IpAddr {
    replica.address.ip()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_with_replicas_behind_a_headless_name() {
    let replicas = two(["a", "b"], Fault::None);
    let dns = Dns::start().await;
    dns.name(NAME, &replicas.each_ref().map(ip));
    let target = dns.target(NAME, replicas[0].address.port());
    let (code, report) = doctor(&[&target]).await;
    assert_eq!((code, &report["ok"]), (0, &Value::Bool(true)), "{report:#}");
    for (question, says) in [
        ("name", "has 2 addresses, TTL 7s"),
        ("searchDomains", "the name is absolute"),
        ("clusterIp", "no"),
        ("connection", "2 of 2 accept"),
        ("http2", "2 of 2 speak it"),
        ("health", "2 of 2 are SERVING"),
        ("spread", "15 by a, 15 by b"),
    ] {
        let found = finding(&report, question);
        assert_eq!(found["outcome"], "passed", "{report:#}");
        let said = found["says"].as_str().unwrap();
        assert!(said.contains(says), "{says:?} must be said: {found:#}");
    }
    assert_eq!(finding(&report, "tls")["outcome"], "skipped", "plaintext");

    let text = run(&["doctor", &target]).await;
    assert_eq!(text.code, 0, "{text:?}");
    assert!(text.stdout.contains("✓ health"), "{text:?}");
    assert!(text.stdout.ends_with("all is well\n"), "{text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_target_is_a_usage_error() {
    let ended = run(&["doctor", "http://host:1"]).await;
    assert_eq!(ended.code, 64, "{ended:?}");
}
