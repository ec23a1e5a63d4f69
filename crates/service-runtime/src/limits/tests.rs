//! What calls are admitted, as the layer asks.

use super::*;
use crate::auth::{Caller, Principal};

fn call(path: &str, name: &str) -> Request<()> {
    let mut call = Request::get(path).body(()).unwrap();
    let name = name.to_owned();
    call.extensions_mut()
        .insert(Caller::from(Principal::Basic { name }));
    call
}

fn refusal(limits: &Limits, call: &Request<()>) -> Option<Limit> {
    limits.admit(call).err().map(|(limit, _)| limit)
}

#[test]
fn a_caller_is_not_forgotten_while_its_calls_run() {
    let limits = Config {
        max_concurrent_calls_per_caller: 1,
        max_callers: 1,
        rate_per_caller: 1_000_000,
        ..Config::default()
    };
    let limits = limits.start(&[]);
    let first = call("/a.B/C", "first");
    let _held = limits.admit(&first).ok().unwrap();
    for n in 0..10_000 {
        drop(limits.admit(&call("/a.B/C", &n.to_string())));
    }
    let met = Some(Limit::ConcurrentCallsPerCaller);
    assert_eq!(refusal(&limits, &first), met, "others must not free it");
}

#[test]
fn health_watches_are_bounded_and_take_no_calls_place() {
    let limits = Config {
        max_concurrent_calls: 3,
        max_concurrent_calls_per_caller: 2,
        max_stream_deadline: Some(Duration::from_secs(1)),
        ..Config::default()
    };
    let watch = Method {
        path: "/grpc.health.v1.Health/Watch".to_owned(),
        is_stream: true,
    };
    let limits = limits.start(std::slice::from_ref(&watch));
    let admitted = |path: &str, name| limits.admit(&call(path, name)).map_err(|it| it.0);
    let first = admitted(&watch.path, "a").unwrap().unwrap();
    assert_eq!(first.running.longest(&watch.path), None, "watches last");
    let second = admitted(&watch.path, "a").unwrap();
    let third = admitted(&watch.path, "a").err();
    assert_eq!(third, Some(Limit::ConcurrentCallsPerCaller));
    let other = admitted(&watch.path, "b").unwrap();
    let further = admitted(&watch.path, "c").err();
    assert_eq!(further, Some(Limit::ConcurrentCalls));
    assert!(
        admitted("/a.B/C", "a").is_ok(),
        "calls have their own places"
    );
    for _ in 0..10 {
        let check = admitted("/grpc.health.v1.Health/Check", "a");
        assert!(
            check.is_ok_and(|it| it.is_none()),
            "probes are never refused"
        );
    }
    drop((first, second, other));
    assert!(admitted(&watch.path, "c").is_ok(), "places are given back");
    assert_eq!(limits.running(), 0);
}
