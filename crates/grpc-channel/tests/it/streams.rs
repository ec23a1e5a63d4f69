//! Large messages, slow readers, long conversations and calls that are given up.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request};

use crate::echo::{Client, Message, Method, message};
use crate::replica::{ready, replicas, to};
use crate::{bounded, wait_until};

/// A request for so many messages of so many bytes.
fn watch(number: u64, bytes: usize) -> Request<Message> {
    let payload = Bytes::from(vec![7; bytes]);
    Request::new(Message { number, payload })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_megabytes_go_both_ways() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let channel = to([&replica]).connect().unwrap();
        let large: Bytes = (0..20 << 20).map(|n: u32| n.to_le_bytes()[0]).collect();
        let request = Request::new(message(large.clone()));
        let response = Client::new(&channel).unary(Method::Add, request).await;
        let answer = response.unwrap().into_inner();
        assert!(answer.payload == large, "every byte comes back");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_nobody_reads_stop_no_other_call_and_lose_nothing() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let channel = to([&replica]).connect().unwrap();
        let client = Client::new(&channel);
        let mut unread = Vec::new();
        // Each is larger than its window, and together they are larger than any sensible window.
        for _ in 0..16 {
            let response = client.watch(watch(32, 64 << 10)).await.unwrap();
            let mut messages = response.into_inner();
            messages.next().await.unwrap().unwrap();
            unread.push(messages);
        }
        for _ in 0..10 {
            let large = Request::new(message(vec![1; 1 << 20]));
            client.unary(Method::Add, large).await.unwrap();
        }
        assert_eq!(replica.running(), 16, "the handlers wait for their readers");
        for messages in unread {
            let rest: Vec<_> = messages.collect().await;
            assert_eq!(rest.len(), 31);
            assert!(rest.into_iter().all(|message| message.is_ok()));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_stream_may_wait_for_the_responses() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let channel = to([&replica]).connect().unwrap();
        let (sender, receiver) = mpsc::channel(1);
        let client = Client::new(&channel);
        let response = client.chat(ReceiverStream::new(receiver)).await;
        let mut answers = response.unwrap().into_inner();
        for number in 0..100 {
            let payload = Bytes::new();
            sender.send(Message { number, payload }).await.unwrap();
            let answer = answers.next().await.unwrap().unwrap();
            assert_eq!(answer.number, number);
        }
        drop(sender);
        assert!(answers.next().await.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_may_be_sent_before_the_first_response_is_read() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let channel = to([&replica]).connect().unwrap();
        let (sender, receiver) = mpsc::channel(1);
        let client = Client::new(&channel);
        let response = client.chat(ReceiverStream::new(receiver)).await;
        let answers = response.unwrap().into_inner();
        for _ in 0..500 {
            sender.send(message(vec![1; 1 << 10])).await.unwrap();
        }
        drop(sender);
        let answers: Vec<_> = answers.collect().await;
        assert_eq!(answers.len(), 500);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_stream_loses_no_message() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let channel = to([&replica]).connect().unwrap();
        let messages = stream::iter((0..5_000).map(|_| message(vec![1; 1 << 10])));
        let answer = Client::new(&channel).import(messages).await.unwrap();
        assert_eq!(answer.get_ref().number, 5_000);
        assert_eq!(answer.get_ref().payload, (5_000 << 10).to_string());
        assert_eq!(replica.received(), 5_000);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_call_cancels_it_on_the_server() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        replica.hold();
        let channel = to([&replica]).connect().unwrap();
        let client = Client::new(&channel);
        for (cancelled, method) in [(1, Method::Read), (2, Method::Add)] {
            let client = client.clone();
            let call = tokio::spawn(async move { client.call(method).await });
            wait_until("the call is there", || replica.running() == 1).await;
            call.abort();
            wait_until("the handler is dropped", || {
                replica.cancelled() == cancelled && replica.running() == 0
            })
            .await;
        }
        let calls = channel.stats().subchannels[0].calls_in_flight;
        assert_eq!(calls, 0, "nothing is left of a cancelled call");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_response_cancels_the_call_on_the_server() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        replica.hold();
        let channel = to([&replica]).connect().unwrap();
        let client = Client::new(&channel);
        let response = client.watch(watch(2, 10)).await.unwrap();
        drop(response);
        wait_until("the handler is dropped", || replica.cancelled() == 1).await;

        let endless = stream::iter([message("one")]).chain(stream::pending());
        let mut answers = client.chat(endless).await.unwrap().into_inner();
        answers.next().await.unwrap().unwrap();
        drop(answers);
        wait_until("and the other one", || replica.cancelled() == 2).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_fails_by_itself_is_reported_with_its_own_error() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let channel = to([&replica]).connect().unwrap();
        let client = Client::new(&channel).max_request(1 << 10);
        let large = Request::new(message(vec![1; 2 << 10]));
        let status = client.unary(Method::Add, large).await.unwrap_err();
        assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
        assert_eq!(replica.started(), 0, "there is nothing to send");

        let (sender, receiver) = mpsc::channel(1);
        let response = client.chat(ReceiverStream::new(receiver)).await;
        let mut answers = response.unwrap().into_inner();
        sender.send(message("small")).await.unwrap();
        answers.next().await.unwrap().unwrap();
        sender.send(message(vec![1; 2 << 10])).await.unwrap();
        let status = answers.next().await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
        wait_until("the server is told", || replica.running() == 0).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_keeps_its_replica_while_others_take_turns() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let channel = to(&replicas).connect().unwrap();
        ready(&channel, 2).await;
        let client = Client::new(&channel);
        let (sender, receiver) = mpsc::channel(1);
        let response = client.chat(ReceiverStream::new(receiver)).await.unwrap();
        let mut answers = response.into_inner();
        for _ in 0..10 {
            client.call(Method::Add).await.unwrap();
            sender.send(message("turn")).await.unwrap();
            answers.next().await.unwrap().unwrap();
        }
        let started: u64 = replicas.iter().map(|replica| replica.started()).sum();
        assert_eq!(started, 11, "the conversation is one call");
    })
    .await;
}
