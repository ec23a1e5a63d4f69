//! The reading of a load's log.

use std::time::{Duration, Instant};

use super::*;

const QUIET: &str = r#"{"interval":{"calls":3,"failed":0,"abandoned":0,"replicas":[{"name":"a","calls":2},{"name":"b","calls":1}],"failures":{}}}"#;
const BROKEN: &str = r#"{"interval":{"calls":4,"failed":1,"abandoned":0,"replicas":[{"name":"a","calls":3},{"name":null,"calls":1}],"failures":{"UNAVAILABLE":{"count":1,"sample":"gone"}}}}"#;
const REPORT: &str = r#"{"calls":7,"failed":1,"abandoned":2,"interrupted":true,"replicas":[{"name":"a","calls":7}]}"#;

/// A ledger of these lines, heard a second apart from each other.
fn ledger(lines: &[&str]) -> (Ledger, Instant) {
    let start = Instant::now();
    let mut ledger = Ledger::default();
    for (second, line) in (0..).zip(lines) {
        ledger.hear(line, start + Duration::from_secs(second));
    }
    (ledger, start)
}

#[test]
fn intervals_add_up_from_any_of_them_on() {
    let (ledger, _) = ledger(&[QUIET, "what is this", BROKEN, QUIET, REPORT]);
    let all = ledger.since(0);
    assert_eq!((all.calls, all.failed), (10, 1));
    assert_eq!(all.pods["a"], 7);
    assert_eq!(all.failures["UNAVAILABLE"], (1, "gone".to_owned()));
    assert_eq!(ledger.since(2).calls, 3);
    assert_eq!(ledger.since(9), Counts::default(), "later than the last");
    assert_eq!(ledger.noise, ["what is this"]);
}

#[test]
fn a_call_that_nobody_answered_in_the_end_is_a_failed_one() {
    let (ledger, _) = ledger(&[REPORT]);
    let total = ledger.total.expect("the report is the total");
    assert_eq!((total.calls, total.failed), (9, 3));
    assert!(ledger.intervals.is_empty(), "a report is no interval");
}

#[test]
fn an_outage_lasts_from_the_first_to_the_last_failure() {
    let (list, start) = ledger(&[QUIET, BROKEN, QUIET, BROKEN, QUIET]);
    let outage = list.outage(0).expect("calls failed");
    let second = Duration::from_secs(1);
    assert_eq!(
        (outage.from, outage.until),
        (start + second, start + 3 * second)
    );
    assert_eq!(list.outage(4), None, "the last one is quiet");
    assert_eq!(list.succeeded_during(outage), 3 + 3 + 3);
}

#[test]
fn a_pod_has_its_share_once_it_is_not_far_below_the_others() {
    let of = |a: u64, b: u64| {
        format!(
            r#"{{"interval":{{"calls":{},"failed":0,"replicas":[{{"name":"a","calls":{a}}},{{"name":"b","calls":{b}}}]}}}}"#,
            a + b
        )
    };
    let lines = [of(10, 0), of(10, 1), of(6, 5), of(5, 5)];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let (ledger, start) = ledger(&lines);
    let second = Duration::from_secs(1);
    assert_eq!(ledger.share_of("b", 0), Some(start + 2 * second));
    assert_eq!(ledger.share_of("b", 3), Some(start + 3 * second));
    assert_eq!(ledger.share_of("c", 0), None, "nobody has heard of it");
}

#[test]
fn spread_means_these_pods_and_no_other() {
    let (ledger, _) = ledger(&[QUIET]);
    let counts = ledger.since(0);
    let is_over = |pods: &[&str]| {
        let pods: Vec<String> = pods.iter().map(|&pod| pod.to_owned()).collect();
        counts.is_spread_over(&pods)
    };
    assert!(is_over(&["b", "a"]));
    assert!(!is_over(&["a"]), "b is one too many");
    assert!(!is_over(&["a", "b", "c"]), "c is missing");
    assert!(!is_over(&["a", "c"]));
    assert_eq!(counts.imbalance(), 1);
}

#[test]
fn codes_are_told_apart() {
    let (ledger, _) = ledger(&[BROKEN]);
    let counts = ledger.since(0);
    assert!(counts.only_failed_with(&["UNAVAILABLE", "ABORTED"]));
    assert!(!counts.only_failed_with(&["INTERNAL"]));
    assert_eq!(counts.reasons(), "UNAVAILABLE x 1 (the first: gone)");
}
