//! Responses that break off: a caller that has seen nothing of one need not see its end either.

use futures_util::StreamExt as _;
use grpc_channel::Builder;
use tokio::task::JoinHandle;
use tonic::{Code, Response, Status};

use crate::bounded;
use crate::echo::{Client, Message, Method, message};
use crate::loss::BACKOFF;
use crate::raw::{Event, Listener, Peer};
use crate::replica::builder;

type Call = JoinHandle<Result<Response<Message>, Status>>;

fn to(listener: &Listener) -> Builder {
    builder(listener.target()).backoff(BACKOFF)
}

/// A call whose request has arrived at the listener's first connection.
async fn begin(listener: &Listener, builder: Builder, method: Method) -> (Call, Peer, u32) {
    let channel = builder.connect().unwrap();
    let mut peer = listener.peer().await;
    let client = Client::new(&channel);
    let call = tokio::spawn(async move { client.call(method).await });
    let (stream, _) = peer.request().await;
    (call, peer, stream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unary_response_that_breaks_off_is_asked_for_again() {
    bounded(async {
        let listener = Listener::bind().await;
        let (call, mut peer, stream) = begin(&listener, to(&listener), Method::Read).await;
        peer.head(stream).await;
        drop(peer);

        let mut peer = listener.peer().await;
        let (stream, _) = peer.request().await;
        peer.head(stream).await;
        peer.data(stream, &message("lost")).await;
        drop(peer);

        let mut peer = listener.peer().await;
        let (stream, messages) = peer.request().await;
        assert_eq!(messages, [message("hello")]);
        peer.respond(stream, &message("whole")).await;
        let response = call.await.unwrap().unwrap();
        assert_eq!(response.get_ref(), &message("whole"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unary_response_that_breaks_off_is_final_for_a_method_that_is_not_idempotent() {
    bounded(async {
        let listener = Listener::bind().await;
        let (call, mut peer, stream) = begin(&listener, to(&listener), Method::Add).await;
        peer.head(stream).await;
        drop(peer);
        let status = call.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_is_too_large_to_be_held_back_is_given_out_and_then_final() {
    bounded(async {
        let listener = Listener::bind().await;
        let builder = to(&listener).retry_buffer(200, 250);
        let (call, mut peer, stream) = begin(&listener, builder, Method::Read).await;
        peer.respond(stream, &message(vec![1; 300])).await;
        let response = call.await.unwrap().unwrap();
        assert_eq!(response.get_ref(), &message(vec![1; 300]));

        let builder = to(&listener).retry_buffer(200, 250);
        let (call, mut peer, stream) = begin(&listener, builder, Method::Read).await;
        peer.head(stream).await;
        peer.data(stream, &message(vec![1; 300])).await;
        drop(peer);
        let status = call.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_responses_is_given_out_as_it_comes_and_its_break_is_the_callers_to_see() {
    bounded(async {
        let listener = Listener::bind().await;
        let channel = to(&listener).connect().unwrap();
        let mut peer = listener.peer().await;
        let client = Client::new(&channel);
        let call =
            tokio::spawn(async move { client.watch(tonic::Request::new(message("hello"))).await });
        let (stream, _) = peer.request().await;
        peer.head(stream).await;
        let mut messages = call.await.unwrap().unwrap().into_inner();
        peer.data(stream, &message("one")).await;
        assert_eq!(messages.next().await.unwrap().unwrap(), message("one"));
        drop(peer);
        let status = messages.next().await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        let mut peer = listener.peer().await;
        drop((channel, messages));
        assert_eq!(peer.event().await, Event::Closed, "it is not sent again");
    })
    .await;
}
