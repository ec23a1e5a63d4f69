//! Deadlines: sent, kept, and told what they were spent on.

use std::time::Duration;

use futures_util::StreamExt as _;
use tonic::{Code, Request};

use crate::dns::Server;
use crate::echo::{Client, Message, Method, Seen};
use crate::raw::Listener;
use crate::replica::{PORT, Replica, builder, replicas, to};
use crate::{bounded, wait_until};

/// Long enough to be seen, short enough to be waited for.
const SHORT: Duration = Duration::from_millis(300);

pub(crate) fn timeout(seen: &Seen) -> Duration {
    let text = seen.header("grpc-timeout").expect("there is a deadline");
    let (value, unit) = text.split_at(text.len() - 1);
    let value = value.parse().expect("a number");
    match unit {
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        unit => panic!("{unit} is coarser than it need be"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_attempt_tells_the_server_what_is_left_of_the_time() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        replica.refuse(1, Code::Unavailable);
        let channel = to([&replica]).connect().unwrap();
        let given = Duration::from_secs(20);
        let client = Client::new(&channel);
        client.call_within(Method::Read, given).await.unwrap();
        let left: Vec<Duration> = replica.seen().iter().map(timeout).collect();
        assert_eq!(left.len(), 2);
        assert!(left[0] < given, "{left:?}: connecting took some of it");
        assert!(left[1] < left[0], "{left:?}: so did the first attempt");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_without_a_deadline_sends_none() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let channel = to([&replica]).connect().unwrap();
        Client::new(&channel).call(Method::Read).await.unwrap();
        assert_eq!(replica.seen()[0].header("grpc-timeout"), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_does_not_answer_in_time_is_told_to_stop() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        replica.hold();
        let channel = to([&replica]).connect().unwrap();
        let client = Client::new(&channel);
        // The first call brings the connection up, so that the second one's time goes to the replica.
        let status = client.call_within(Method::Read, SHORT).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        wait_until("the handlers are cancelled", || {
            replica.running() == 0 && replica.cancelled() == replica.started()
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_in_the_middle_of_a_stream_ends_it_on_both_sides() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        replica.hold();
        let channel = to([&replica]).wait_for_ready(true).connect().unwrap();
        crate::replica::ready(&channel, 1).await;
        let mut request = Request::new(Message {
            number: 2,
            ..Message::default()
        });
        request.set_timeout(Duration::from_secs(1));
        let response = Client::new(&channel).watch(request).await.unwrap();
        let mut messages = response.into_inner();
        assert!(messages.next().await.unwrap().is_ok(), "the first is there");
        let status = messages.next().await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        wait_until("the handler is cancelled", || replica.cancelled() == 1).await;
        drop(messages);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_waited_for_a_connection_says_so() {
    bounded(async {
        let silent = Listener::bind().await;
        let channel = builder(silent.target()).connect().unwrap();
        let client = Client::new(&channel);
        let status = client.call_within(Method::Read, SHORT).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        let expected = format!("it waited for a connection to {}", silent.target());
        assert!(status.message().ends_with(&expected), "{status:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_waited_for_a_replica_says_what_is_wrong_with_it() {
    bounded(async {
        let replica = Replica::new();
        let channel = to([&replica]).wait_for_ready(true).connect().unwrap();
        let client = Client::new(&channel);
        let status = client.call_within(Method::Read, SHORT).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        let expected = format!("{} connection refused", replica.address);
        assert!(status.message().contains(&expected), "{status:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_waited_for_a_name_says_what_is_wrong_with_it() {
    bounded(async {
        let dns = Server::start().await;
        let target = dns.target("echo.test.", PORT);
        let channel = builder(target).wait_for_ready(true).connect().unwrap();
        let client = Client::new(&channel);
        let within = Duration::from_secs(1);
        let status = client.call_within(Method::Read, within).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        assert!(status.message().contains("NXDOMAIN"), "{status:?}");
    })
    .await;
}
