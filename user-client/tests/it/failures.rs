//! What is shown when something goes wrong, and the exit codes.

use crate::program::run;
use crate::replica::{Fault, Replica};

#[tokio::test(flavor = "multi_thread")]
async fn every_detail_of_a_refusal_is_shown_and_nothing_of_our_own_types() {
    let replica = Replica::start("a", Fault::None);
    let ended = run(&[
        "create",
        "--display-name",
        "",
        "--email",
        "nonsense",
        "--target",
        &replica.target(),
    ])
    .await;
    assert_eq!(ended.code, 65, "INVALID_ARGUMENT is EX_DATAERR: {ended:?}");
    for part in [
        "error: CreateUser failed: INVALID_ARGUMENT: the request is not valid",
        "user.display_name: must not be empty",
        "user.email: must be an address",
        "reason: INVALID (example.com)",
        "try again in 2s",
    ] {
        assert!(
            ended.stderr.contains(part),
            "{part:?} is missing: {ended:?}"
        );
    }
    assert!(
        !ended.stderr.contains("Status {"),
        "a debug print is no message: {ended:?}"
    );
    assert_eq!(ended.stdout, "", "errors do not belong to standard output");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_entry_is_told_from_a_missing_server() {
    let replica = Replica::start("a", Fault::None);
    let ended = run(&[
        "get",
        "nobody",
        "--target",
        &replica.target(),
        "--output",
        "json",
    ])
    .await;
    assert_eq!(ended.code, 66, "NOT_FOUND is EX_NOINPUT: {ended:?}");
    let json: serde_json::Value = serde_json::from_str(&ended.stderr).expect("errors are JSON too");
    assert_eq!(json["status"]["code"], "NOT_FOUND");
    assert_eq!(json["status"]["details"][0]["resourceName"], "nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_listening_says_so_and_what_to_try() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let ended = run(&["list", "--target", &format!("ipv4:{address}")]).await;
    assert_eq!(ended.code, 69, "UNAVAILABLE is EX_UNAVAILABLE: {ended:?}");
    for part in ["UNAVAILABLE", &address.to_string(), "--target", "cargo run"] {
        assert!(
            ended.stderr.contains(part),
            "{part:?} is missing: {ended:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_exist_says_so_and_what_to_try() {
    // RFC 6761: no resolver may know a name below `invalid`.
    let ended = run(&[
        "list",
        "--target",
        "dns:///nowhere.invalid.:50051",
        "--timeout",
        "20s",
    ])
    .await;
    assert_eq!(ended.code, 69, "{ended:?}");
    for part in ["nowhere.invalid", "could not be resolved", "--target"] {
        assert!(
            ended.stderr.contains(part),
            "{part:?} is missing: {ended:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_target_is_refused_with_the_forms_that_are_known() {
    for target in ["dns:///", "ipv4:not-an-address", "http://host:1"] {
        let ended = run(&["list", "--target", target]).await;
        assert_eq!(ended.code, 64, "{target} is a usage error: {ended:?}");
        assert!(ended.stderr.contains(target), "{ended:?}");
        assert!(ended.stderr.contains("dns:///HOST:PORT"), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_costs_no_more_than_the_timeout() {
    let replica = Replica::start("a", Fault::Stall);
    let ended = run(&["list", "--timeout", "200ms", "--target", &replica.target()]).await;
    assert_eq!(
        ended.code, 75,
        "DEADLINE_EXCEEDED is EX_TEMPFAIL: {ended:?}"
    );
    // tonic's server watches the same deadline and calls it CANCELLED; either may be first.
    let by_client =
        ended.stderr.contains("DEADLINE_EXCEEDED") && ended.stderr.contains("--timeout");
    let by_server = ended.stderr.contains("CANCELLED: Timeout expired");
    assert!(
        by_client || by_server,
        "the deadline must be named: {ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_arguments_exit_with_64_and_help_with_0() {
    assert_eq!(run(&["list", "--no-such-flag"]).await.code, 64);
    assert_eq!(run(&["load", "--rate", "many"]).await.code, 64);
    assert_eq!(run(&["load", "--id", "x"]).await.code, 64);
    for args in [
        &["--help"][..],
        &["get", "--help"],
        &["create", "--help"],
        &["list", "--help"],
        &["load", "--help"],
        &["batch-get", "--help"],
        &["update", "--help"],
        &["delete", "--help"],
        &["watch", "--help"],
        &["import", "--help"],
        &["lookup", "--help"],
        &["completions", "--help"],
        &["man", "--help"],
        &["config", "--help"],
        &["resolve", "--help"],
        &["doctor", "--help"],
    ] {
        let ended = run(args).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(!ended.stdout.is_empty(), "help belongs to standard output");
        for line in ended.stdout.lines() {
            assert!(line.chars().count() <= 100, "too wide: {line:?}");
        }
    }
}
