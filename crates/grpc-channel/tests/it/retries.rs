//! Calls that a policy sends again.

use std::time::{Duration, Instant};

use futures_util::stream;
use grpc_channel::{Channel, RetryPolicy};
use tokio::task::JoinHandle;
use tonic::{Code, Status};

use crate::echo::{Client, Method, message};
use crate::raw::{Event, Listener, Peer};
use crate::replica::{builder, replicas, to};
use crate::{bounded, wait_until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idempotent_call_that_is_refused_is_sent_again_and_says_how_often() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        replica.refuse(2, Code::Unavailable);
        let channel = to([&replica]).connect().unwrap();
        Client::new(&channel).call(Method::Read).await.unwrap();
        let seen = replica.seen();
        let previous: Vec<Option<&str>> = seen
            .iter()
            .map(|seen| seen.header("grpc-previous-rpc-attempts"))
            .collect();
        assert_eq!(previous, [None, Some("1"), Some("2")]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_call_that_is_refused_is_not_sent_again() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let channel = to([&replica]).connect().unwrap();
        let without_policy = to([&replica]).retry(None).connect().unwrap();
        for (channel, method, code) in [
            (&channel, Method::Add, Code::Unavailable),
            (&channel, Method::Read, Code::Internal),
            (&without_policy, Method::Read, Code::Unavailable),
        ] {
            let before = replica.started();
            replica.refuse(1, code);
            let status = Client::new(channel).call(method).await.unwrap_err();
            assert_eq!(status.code(), code);
            assert_eq!(status.message(), "refused as the test asked");
            assert_eq!(replica.started(), before + 1, "{method:?} is sent once");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_sent_no_more_often_than_the_policy_allows() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        replica.refuse(10, Code::Aborted);
        let policy = RetryPolicy {
            max_attempts: 3,
            retryable_codes: vec![Code::Aborted],
            ..RetryPolicy::default()
        };
        let channel = to([&replica]).retry(policy).connect().unwrap();
        let status = Client::new(&channel).call(Method::Read).await.unwrap_err();
        assert_eq!(status.code(), Code::Aborted);
        assert_eq!(replica.started(), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_requests_is_sent_again_if_it_was_kept() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let channel = to([&replica]).connect().unwrap();
        let client = Client::new(&channel);

        replica.refuse(1, Code::Unavailable);
        let messages = ["one", "two", "three"].map(message);
        let answer = client.import(stream::iter(messages)).await.unwrap();
        assert_eq!(answer.get_ref().number, 3);
        assert_eq!(replica.started(), 2);

        replica.refuse(1, Code::Unavailable);
        let too_much = (0..4).map(|_| message(vec![1; 100 << 10]));
        let status = client.import(stream::iter(too_much)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(replica.started(), 3, "what was not kept is sent once");
    })
    .await;
}

/// A call of an idempotent method on one raw connection.
async fn raw(policy: RetryPolicy) -> (Channel, Peer, JoinHandle<Result<Code, Status>>) {
    let listener = Listener::bind().await;
    let channel = builder(listener.target()).retry(policy).connect().unwrap();
    let peer = listener.peer().await;
    let client = Client::new(&channel);
    let call = tokio::spawn(async move { client.call(Method::Read).await.map(|_| Code::Ok) });
    (channel, peer, call)
}

/// A policy whose own wait is longer than a test.
fn patient() -> RetryPolicy {
    RetryPolicy {
        initial_backoff: Duration::from_mins(5),
        max_backoff: Duration::from_mins(5),
        ..RetryPolicy::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_says_when_is_asked_then_whatever_the_backoff() {
    bounded(async {
        let (_channel, mut peer, call) = raw(patient()).await;
        let asked = Duration::from_millis(100);
        let (mut stream, _) = peer.request().await;
        for _ in 0..3 {
            let refused = Instant::now();
            peer.refuse(stream, Code::Unavailable, Some("100")).await;
            let (next, messages) = peer.request().await;
            assert!(refused.elapsed() >= asked, "it must not come sooner");
            assert_eq!(messages, [message("hello")]);
            stream = next;
        }
        peer.refuse(stream, Code::Unavailable, Some("100")).await;
        let status = call.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "four attempts are all");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_says_never_or_nonsense_is_not_asked_again() {
    for pushback in ["-1", "soon", ""] {
        bounded(async {
            let (channel, mut peer, call) = raw(RetryPolicy::default()).await;
            let (stream, _) = peer.request().await;
            peer.refuse(stream, Code::Unavailable, Some(pushback)).await;
            let status = call.await.unwrap().unwrap_err();
            assert_eq!(status.code(), Code::Unavailable, "{pushback:?}");
            drop(channel);
            assert_eq!(peer.event().await, Event::Closed, "{pushback:?}");
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_proxy_says_without_grpc_is_retried_by_the_code_it_stands_for() {
    bounded(async {
        let (channel, mut peer, call) = raw(RetryPolicy::default()).await;
        for status in [502, 503] {
            let (stream, _) = peer.request().await;
            peer.http_status(stream, status).await;
        }
        let (stream, _) = peer.request().await;
        peer.http_status(stream, 403).await;
        let status = call.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
        assert!(status.message().ends_with("answered HTTP 403 Forbidden"));
        drop(channel);
        while peer.event().await != Event::Closed {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_has_begun_is_final() {
    bounded(async {
        let (channel, mut peer, call) = raw(RetryPolicy::default()).await;
        let (stream, _) = peer.request().await;
        peer.head(stream).await;
        peer.trailers(stream, Code::Unavailable, None).await;
        let status = call.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        drop(channel);
        assert_eq!(peer.event().await, Event::Closed, "it is not sent again");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_all_calls_keep_together_has_a_limit_beyond_which_a_call_is_sent_once() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let channel = to([&replica]).retry_buffer(200, 250).connect().unwrap();
        let client = Client::new(&channel);
        let send = |bytes: usize| {
            let client = client.clone();
            let request = tonic::Request::new(message(vec![1; bytes]));
            async move { client.unary(Method::Read, request).await }
        };
        replica.refuse(1, Code::Unavailable);
        send(150).await.expect("150 bytes may be kept");
        assert_eq!(replica.started(), 2);

        replica.hold();
        let held = tokio::spawn(send(150));
        wait_until("the first has arrived", || replica.running() == 1).await;
        replica.refuse(1, Code::Unavailable);
        let status = send(150).await.expect_err("300 bytes are more than 250");
        assert_eq!(status.code(), Code::Unavailable);
        replica.release();
        held.await.unwrap().unwrap();

        replica.refuse(1, Code::Unavailable);
        send(150).await.expect("what has ended is kept no longer");
        replica.refuse(1, Code::Unavailable);
        send(250).await.expect_err("one call may keep 200 bytes");
    })
    .await;
}
