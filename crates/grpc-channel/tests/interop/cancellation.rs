//! The cases of calls that end before the server does.

use std::time::Duration;

use tonic::{Code, Request};

use crate::client::requests;
use crate::messages::{StreamingOutputCallRequest, StreamingOutputCallResponse};
use crate::peer::ready;
use crate::streams::{REQUESTS, RESPONSES};
use crate::{Client, standard_case, wait_until};

/// How often the case of the deadline is repeated: both ends watch it, and the server's reset may
/// come before the client's timer fires.
const RACES: usize = 50;

#[tokio::test]
async fn timeout_on_sleeping_server() {
    standard_case(async |go| {
        let server = go.serve(&[]).await;
        let channel = server.channel();
        // The deadline is the server's to miss, not the connection's.
        ready(&channel, 1).await;
        let client = Client::new(&channel);
        for _ in 0..RACES {
            let (sender, stream) = requests();
            let request = StreamingOutputCallRequest::default().with_payload(REQUESTS[0]);
            sender.send(request).expect("the stream is there");
            let mut request = Request::new(stream);
            request.set_timeout(Duration::from_millis(1));
            let ended = async {
                let response = client.full_duplex_call(request).await?;
                response.into_inner().message().await
            };
            let status = ended.await.expect_err("the server never answers");
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
        }
    })
    .await;
}

#[tokio::test]
async fn cancel_after_begin() {
    standard_case(async |go| {
        let server = go.serve(&[]).await;
        let channel = server.channel();
        ready(&channel, 1).await;
        let client = Client::new(&channel);
        // The sender is kept: a call without requests is still open for them.
        let (_sender, stream) = requests();
        let mut request = Request::new(stream);
        let cancellation = request.cancellation_handle();
        let call = tokio::spawn(async move { client.streaming_input_call(request).await });
        let in_flight = || channel.stats().subchannels[0].calls_in_flight;
        wait_until("the call has begun", || in_flight() == 1).await;
        cancellation.cancel();
        let status = call.await.expect("the call does not panic");
        let status = status.expect_err("a cancelled call has no response");
        assert_eq!(status.code(), Code::Cancelled, "{status}");
        wait_until("the call is no longer in flight", || in_flight() == 0).await;
    })
    .await;
}

#[tokio::test]
async fn cancel_after_first_response() {
    standard_case(async |go| {
        let server = go.serve(&[]).await;
        let client = Client::new(&server.channel());
        let (sender, stream) = requests();
        let first = StreamingOutputCallRequest::asking_for(&[RESPONSES[0]]);
        let first = first.with_payload(REQUESTS[0]);
        sender.send(first).expect("the stream is there");
        let mut request = Request::new(stream);
        let cancellation = request.cancellation_handle();
        let response = client.full_duplex_call(request).await;
        let mut responses = response.expect("the call must begin").into_inner();
        let response = responses.message().await;
        let response = response.expect("the first response must come");
        assert!(
            response == Some(StreamingOutputCallResponse::sized(RESPONSES[0])),
            "the first response must be {} zeros",
            RESPONSES[0]
        );
        cancellation.cancel();
        let status = responses.message().await;
        let status = status.expect_err("a cancelled call must not end with OK");
        assert_eq!(status.code(), Code::Cancelled, "{status}");
    })
    .await;
}
