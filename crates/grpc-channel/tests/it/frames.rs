//! What the frames of a server mean for a call: sent again, or not, and with which status.

use futures_util::StreamExt as _;
use futures_util::stream;
use grpc_channel::{Channel, Disconnect};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Response, Status};

use crate::bounded;
use crate::echo::{Client, Message, Method, message};
use crate::raw::{
    CANCEL, ENHANCE_YOUR_CALM, Event, INTERNAL_ERROR, Listener, NO_ERROR, Peer, REFUSED_STREAM,
};
use crate::replica::builder;

type Call = JoinHandle<Result<Response<Message>, Status>>;

/// A channel to one listener, without a retry policy.
async fn connect(listener: &Listener) -> (Channel, Peer) {
    let channel = builder(listener.target()).retry(None).connect().unwrap();
    let peer = listener.peer().await;
    (channel, peer)
}

fn spawn(channel: &Channel, method: Method) -> Call {
    let client = Client::new(channel);
    tokio::spawn(async move { client.call(method).await })
}

async fn failure(call: Call) -> Status {
    call.await.unwrap().expect_err("the call must fail")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_above_the_last_stream_of_a_goaway_is_sent_again_whatever_the_method() {
    bounded(async {
        let listener = Listener::bind().await;
        let (channel, mut peer) = connect(&listener).await;
        let call = spawn(&channel, Method::Add);
        let (stream, _) = peer.request().await;
        peer.go_away(stream - 1, NO_ERROR, "").await;

        let mut peer = listener.peer().await;
        let (stream, messages) = peer.request().await;
        assert_eq!(messages, [message("hello")]);
        peer.respond(stream, &message("again")).await;
        let response = call.await.unwrap().unwrap();
        assert_eq!(response.get_ref(), &message("again"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streaming_call_above_the_last_stream_of_a_goaway_is_sent_again_from_its_beginning() {
    bounded(async {
        let listener = Listener::bind().await;
        let (channel, mut peer) = connect(&listener).await;
        let (sender, receiver) = mpsc::channel(1);
        let client = Client::new(&channel);
        let call = tokio::spawn(async move { client.import(ReceiverStream::new(receiver)).await });
        sender.send(message("one")).await.unwrap();
        let stream = peer.begun().await;
        while peer.messages(stream).is_empty() {
            assert_eq!(peer.event().await, Event::Data(stream));
        }
        peer.go_away(0, NO_ERROR, "").await;

        let mut peer = listener.peer().await;
        sender.send(message("two")).await.unwrap();
        drop(sender);
        let (stream, messages) = peer.request().await;
        assert_eq!(messages, [message("one"), message("two")]);
        peer.respond(stream, &message("both")).await;
        assert_eq!(call.await.unwrap().unwrap().get_ref(), &message("both"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_a_goaway_spares_finishes_while_new_ones_go_to_a_new_connection() {
    bounded(async {
        let listener = Listener::bind().await;
        let (channel, mut old) = connect(&listener).await;
        let spared = spawn(&channel, Method::Add);
        let (spared_stream, _) = old.request().await;
        old.go_away(spared_stream, NO_ERROR, "").await;

        let mut new = listener.peer().await;
        let later = spawn(&channel, Method::Add);
        let (stream, _) = new.request().await;
        new.respond(stream, &message("new")).await;
        assert_eq!(later.await.unwrap().unwrap().get_ref(), &message("new"));

        old.respond(spared_stream, &message("old")).await;
        assert_eq!(spared.await.unwrap().unwrap().get_ref(), &message("old"));
        assert_eq!(
            old.event().await,
            Event::Closed,
            "a drained connection closes"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_a_goaway_spares_and_the_connection_then_loses_is_not_sent_again() {
    bounded(async {
        let listener = Listener::bind().await;
        let (channel, mut peer) = connect(&listener).await;
        let call = spawn(&channel, Method::Add);
        let (stream, _) = peer.request().await;
        peer.go_away(stream, NO_ERROR, "").await;
        drop(peer);
        let status = failure(call).await;
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_stream_is_sent_again_once() {
    bounded(async {
        let listener = Listener::bind().await;
        let (channel, mut peer) = connect(&listener).await;
        let call = spawn(&channel, Method::Add);
        for _ in 0..2 {
            let (stream, messages) = peer.request().await;
            assert_eq!(messages, [message("hello")]);
            peer.reset(stream, REFUSED_STREAM).await;
        }
        let status = failure(call).await;
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().contains("REFUSED_STREAM"), "{status:?}");
        drop(channel);
        assert_eq!(peer.event().await, Event::Closed, "there is no third one");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_stream_is_not_sent_again_and_its_code_becomes_the_status() {
    bounded(async {
        let listener = Listener::bind().await;
        let (channel, mut peer) = connect(&listener).await;
        for (reset, code, name) in [
            (CANCEL, Code::Cancelled, "CANCEL"),
            (INTERNAL_ERROR, Code::Internal, "INTERNAL_ERROR"),
            (
                ENHANCE_YOUR_CALM,
                Code::ResourceExhausted,
                "ENHANCE_YOUR_CALM",
            ),
        ] {
            let call = spawn(&channel, Method::Read);
            let (stream, _) = peer.request().await;
            peer.reset(stream, reset).await;
            let status = failure(call).await;
            assert_eq!(status.code(), code, "{status:?}");
            assert!(status.message().contains(name), "{status:?}");
            let address = listener.address.to_string();
            assert!(status.message().contains(&address), "{status:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_after_the_head_of_a_response_fails_the_call_unavailable() {
    bounded(async {
        let listener = Listener::bind().await;
        let channel = builder(listener.target()).connect().unwrap();
        let mut peer = listener.peer().await;
        let call = spawn(&channel, Method::Read);
        let (stream, _) = peer.request().await;
        peer.head(stream).await;
        drop(peer);
        let status = failure(call).await;
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_complains_of_pings_is_named_with_its_words() {
    bounded(async {
        let listener = Listener::bind().await;
        let (channel, mut peer) = connect(&listener).await;
        let call = spawn(&channel, Method::Add);
        let (stream, _) = peer.request().await;
        peer.go_away(stream, ENHANCE_YOUR_CALM, "too_many_pings")
            .await;
        drop(peer);
        assert_eq!(failure(call).await.code(), Code::Unavailable);
        let complaint = Disconnect::GoAway {
            code: "ENHANCE_YOUR_CALM".to_owned(),
            debug: "too_many_pings".to_owned(),
        };
        crate::wait_until("the complaint is the last disconnect", || {
            channel.stats().subchannels[0].last_disconnect == Some(complaint.clone())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_comes_before_the_request_has_ended_ends_the_call() {
    bounded(async {
        let listener = Listener::bind().await;
        let (channel, mut peer) = connect(&listener).await;
        let client = Client::new(&channel);
        let messages = stream::iter([message("one")]).chain(stream::pending());
        let call = tokio::spawn(async move { client.import(messages).await });
        let stream = peer.begun().await;
        peer.respond(stream, &message("enough")).await;
        assert_eq!(call.await.unwrap().unwrap().get_ref(), &message("enough"));
        while peer.event().await != Event::Reset(stream) {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_http2_does_not_allow_fails_and_is_not_tried_for_ever() {
    bounded(async {
        let listener = Listener::bind().await;
        let (channel, mut peer) = connect(&listener).await;
        let mut request = tonic::Request::new(message("hello"));
        let value = "close".parse().unwrap();
        request.metadata_mut().insert("connection", value);
        let status = Client::new(&channel)
            .unary(Method::Read, request)
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::Internal, "{status:?}");

        let next = spawn(&channel, Method::Read);
        let (stream, _) = peer.request().await;
        peer.respond(stream, &message("fine")).await;
        next.await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_meets_one_drain_after_the_other_is_sent_again_each_time() {
    bounded(async {
        let listener = Listener::bind().await;
        let (channel, mut peer) = connect(&listener).await;
        let call = spawn(&channel, Method::Add);
        for _ in 0..4 {
            peer.request().await;
            peer.go_away(0, NO_ERROR, "").await;
            peer = listener.peer().await;
        }
        let (stream, _) = peer.request().await;
        peer.respond(stream, &message("at last")).await;
        assert_eq!(call.await.unwrap().unwrap().get_ref(), &message("at last"));
    })
    .await;
}
