//! A server that sheds its load.

use std::time::{Duration, Instant};

use grpc_channel::{Channel, HedgingPolicy, RetryPolicy};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::messages::SimpleRequest;
use crate::peer::{Peer, to};
use crate::{Client, interop};

#[tokio::test]
async fn idempotent_calls_that_are_shed_are_sent_again() {
    interop(async |go| {
        let server = go.serve(&["-refuse=UNAVAILABLE", "-refuse-calls=2"]).await;
        let client = Client::new(&server.channel());
        let response = client.empty_call().await;
        response.expect("the third attempt of four must be answered");
    })
    .await;
}

#[tokio::test]
async fn what_the_server_says_of_a_refusal_reaches_the_caller() {
    interop(async |go| {
        let server = go
            .serve(&[
                "-refuse=RESOURCE_EXHAUSTED",
                "-retry-info=1500ms",
                "-pushback=-1",
            ])
            .await;
        let client = Client::new(&server.channel());
        let status = client.unary_call(SimpleRequest::default()).await;
        let status = status.expect_err("a call that is not idempotent must not be sent again");
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert_eq!(status.message(), "the server sheds its load");
        let retry_info = status.get_details_retry_info();
        assert_eq!(
            retry_info.and_then(|info| info.retry_delay),
            Some(Duration::from_millis(1_500))
        );
        assert_eq!(
            status.metadata().get("grpc-retry-pushback-ms").unwrap(),
            "-1"
        );
        assert_eq!(
            status.metadata().get("x-served-by").unwrap(),
            &server.address.to_string()
        );
    })
    .await;
}

/// A channel whose own wait before a retry is longer than a test.
fn patient(server: &Peer) -> Channel {
    let policy = RetryPolicy {
        initial_backoff: Duration::from_mins(5),
        max_backoff: Duration::from_mins(5),
        ..RetryPolicy::default()
    };
    let channel = to([server]).retry(policy).connect();
    channel.expect("the policy is valid")
}

#[tokio::test]
async fn a_server_that_says_when_is_asked_then_whatever_the_backoff() {
    interop(async |go| {
        let server = go
            .serve(&["-refuse=UNAVAILABLE", "-refuse-calls=2", "-pushback=100"])
            .await;
        let client = Client::new(&patient(&server));
        let began = Instant::now();
        let response = client.empty_call().await;
        response.expect("the third attempt of four must be answered");
        let asked = Duration::from_millis(200);
        assert!(began.elapsed() >= asked, "it must not come sooner");
    })
    .await;
}

#[tokio::test]
async fn a_server_that_says_never_or_nonsense_is_not_asked_again() {
    interop(async |go| {
        for pushback in ["-pushback=-1", "-pushback=soon"] {
            let server = go
                .serve(&["-refuse=UNAVAILABLE", "-refuse-calls=1", pushback])
                .await;
            let client = Client::new(&server.channel());
            let status = client.empty_call().await;
            let status = status.expect_err("an idempotent call must not be sent again");
            assert_eq!(status.code(), Code::Unavailable, "{pushback}");
            let response = client.empty_call().await;
            response.expect("only one call is refused, so there was no second attempt");
        }
    })
    .await;
}

#[tokio::test]
async fn a_hedged_call_obeys_the_server_too() {
    interop(async |go| {
        let server = go
            .serve(&["-refuse=UNAVAILABLE", "-refuse-calls=1", "-pushback=50"])
            .await;
        let policy = HedgingPolicy {
            hedging_delay: Duration::from_mins(5),
            ..HedgingPolicy::default()
        };
        let channel = to([&server]).hedging(policy).connect();
        let client = Client::new(&channel.expect("the policy is valid"));
        let response = client.empty_call().await;
        response.expect("the second attempt must be sent when the server says, and be answered");
    })
    .await;
}
