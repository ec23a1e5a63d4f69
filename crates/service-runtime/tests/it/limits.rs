//! Limits, met by real clients.

use std::time::Duration;

use service_runtime::auth::Guard;
use service_runtime::limits::{Config, Limit, Limits};
use service_runtime::methods::Method;
use tokio::task::JoinSet;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, Peer, frame, request};
use crate::subject::{
    Gate, OTHER, asking, connect, connect_other, on_a_free_port, soon, start_other,
};

fn methods() -> Vec<Method> {
    [("Check", false), ("Watch", true)]
        .map(|(name, is_stream)| Method {
            path: format!("{OTHER}{name}"),
            is_stream,
        })
        .to_vec()
}

fn start(config: &Config) -> (service_runtime::server::Running, Gate, Limits) {
    let limits = config.start(&methods());
    let (server, gate) = start_other(on_a_free_port(), Guard::open(), limits.clone());
    (server, gate, limits)
}

fn assert_refused(status: &Status, limit: Limit) {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let info = status
        .get_details_error_info()
        .expect("a refusal has ErrorInfo");
    assert_eq!(info.reason, limit.reason());
    let retry = status
        .get_details_retry_info()
        .and_then(|it| it.retry_delay);
    assert!(
        retry.is_some_and(|it| !it.is_zero()),
        "RetryInfo must say when to come again"
    );
}

/// Waits until every place is free again.
async fn is_idle(limits: &Limits) {
    soon("the end of all calls", async {
        while limits.running() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn more_calls_than_there_is_room_for_are_refused_and_counted() {
    for (config, limit) in [
        (
            Config {
                max_concurrent_calls: 3,
                ..Config::default()
            },
            Limit::ConcurrentCalls,
        ),
        (
            Config {
                max_concurrent_calls_per_caller: 3,
                ..Config::default()
            },
            Limit::ConcurrentCallsPerCaller,
        ),
    ] {
        let (server, gate, limits) = start(&config);
        let client = connect_other(server.local_address()).await;
        let mut running = JoinSet::new();
        for _ in 0..3 {
            let mut client = client.clone();
            running.spawn(async move { client.check(asking("slow")).await });
        }
        gate.reached_by(3).await;

        // From another connection too: it is the same host.
        let mut other = connect_other(server.local_address()).await;
        for _ in 0..2 {
            assert_refused(&other.check(asking("")).await.unwrap_err(), limit);
            assert_refused(&other.watch(asking("")).await.unwrap_err(), limit);
        }
        assert_eq!(limits.hits(limit), 4);
        // A busy replica is not a dead one.
        let mut health = connect(server.local_address()).await;
        health.check(asking("")).await.expect("health is exempt");

        gate.open();
        while let Some(call) = running.join_next().await {
            call.unwrap().unwrap();
        }
        is_idle(&limits).await;
        other.check(asking("")).await.expect("there is room again");
    }
}

#[tokio::test]
async fn a_stream_has_its_place_until_it_ends_or_its_caller_leaves() {
    let config = Config {
        max_concurrent_calls: 1,
        ..Config::default()
    };
    let (server, gate, limits) = start(&config);
    let mut client = connect_other(server.local_address()).await;
    let mut stream = client.watch(asking("slow")).await.unwrap().into_inner();
    stream.message().await.unwrap().expect("the first message");
    gate.reached_by(1).await;
    assert_refused(
        &client.check(asking("")).await.unwrap_err(),
        Limit::ConcurrentCalls,
    );
    drop(stream);
    is_idle(&limits).await;
    client.check(asking("")).await.unwrap();
}

#[tokio::test]
async fn who_calls_too_often_is_told_when_to_come_again() {
    let config = Config {
        rate_per_caller: 1,
        burst_per_caller: 5,
        ..Config::default()
    };
    let (server, _gate, limits) = start(&config);
    let mut client = connect_other(server.local_address()).await;
    let refused = soon("a refusal", async {
        for begun in 0.. {
            if let Err(status) = client.check(asking("")).await {
                assert!(begun >= 5, "a burst is let through");
                return status;
            }
        }
        unreachable!()
    });
    let status = refused.await;
    assert_refused(&status, Limit::RatePerCaller);
    assert_eq!(limits.hits(Limit::RatePerCaller), 1);
    let wait = status
        .get_details_retry_info()
        .unwrap()
        .retry_delay
        .unwrap();
    assert!(wait <= Duration::from_secs(1), "{wait:?}");
}

#[tokio::test]
async fn calls_end_at_the_earlier_deadline() {
    let short = Duration::from_millis(50);
    let config = Config {
        max_deadline: Some(short),
        max_stream_deadline: Some(2 * short),
        ..Config::default()
    };
    let (server, _gate, limits) = start(&config);
    let mut client = connect_other(server.local_address()).await;
    let with = |timeout: Option<&str>| {
        let mut request = Request::new(asking("slow"));
        if let Some(timeout) = timeout {
            let value = timeout.parse().unwrap();
            request.metadata_mut().insert("grpc-timeout", value);
        }
        request
    };
    for timeout in [None, Some("1H"), Some("nonsense")] {
        let status = client.check(with(timeout)).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{timeout:?}");
    }
    assert_eq!(limits.hits(Limit::Deadline), 3);
    let mut stream = client.watch(with(None)).await.unwrap().into_inner();
    stream.message().await.unwrap().expect("the first message");
    let status = soon("the end of the stream", stream.message())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(limits.hits(Limit::Deadline), 4);
    is_idle(&limits).await;
}

/// By hand, because clients keep their own deadlines before the server has to.
#[tokio::test]
async fn a_callers_own_deadline_is_kept_without_limits_too() {
    let (server, gate) = start_other(on_a_free_port(), Guard::open(), Limits::off());
    let mut peer = Peer::connect(server.local_address()).await;
    let mut headers = request("/test.Subject/Check");
    headers.extend(b"\x00\x0cgrpc-timeout\x0350m");
    let message = b"\x00\x00\x00\x00\x06\x0a\x04slow";
    peer.send(&frame(HEADERS, END_HEADERS, 1, &headers)).await;
    peer.send(&frame(DATA, END_STREAM, 1, message)).await;
    gate.reached_by(1).await;
    soon("the answer, although the handler still waits", async {
        while peer.next().await.expect("the connection stays").0 != HEADERS {}
    })
    .await;
}

#[tokio::test]
async fn a_message_is_refused_by_its_prefix() {
    let config = Config {
        max_message_size: 1024,
        ..Config::default()
    };
    let (server, _gate, limits) = start(&config);
    let mut client = connect_other(server.local_address()).await;
    let largest = "x".repeat(1024 - 3);
    client
        .check(asking(&largest))
        .await
        .expect("it is just small enough");
    let status = client.check(asking(&(largest + "x"))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let info = status
        .get_details_error_info()
        .expect("a refusal has ErrorInfo");
    assert_eq!(info.reason, Limit::MessageSize.reason());
    assert_eq!(limits.hits(Limit::MessageSize), 1);
}
