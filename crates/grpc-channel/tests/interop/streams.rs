//! The cases of streams.

use futures_util::stream;
use tonic::Request;

use crate::client::Duplex;
use crate::messages::{
    StreamingInputCallRequest, StreamingOutputCallRequest, StreamingOutputCallResponse,
};
use crate::{Client, standard_case};

/// The sizes that the description of the cases gives.
pub(crate) const REQUESTS: [usize; 4] = [27_182, 8, 1_828, 45_904];
pub(crate) const RESPONSES: [usize; 4] = [31_415, 9, 2_653, 58_979];

/// The sum of [`REQUESTS`].
const AGGREGATED: i32 = 74_922;

#[tokio::test]
async fn client_streaming() {
    standard_case(async |go| {
        let server = go.serve(&[]).await;
        let client = Client::new(&server.channel());
        let requests = stream::iter(REQUESTS.map(StreamingInputCallRequest::sized));
        let response = client.streaming_input_call(Request::new(requests)).await;
        let response = response.expect("the call must be successful").into_inner();
        assert_eq!(response.aggregated_payload_size, AGGREGATED);
    })
    .await;
}

#[tokio::test]
async fn server_streaming() {
    standard_case(async |go| {
        let server = go.serve(&[]).await;
        let client = Client::new(&server.channel());
        let request = StreamingOutputCallRequest::asking_for(&RESPONSES);
        let response = client.streaming_output_call(request).await;
        let mut responses = response.expect("the call must be successful").into_inner();
        for size in RESPONSES {
            let response = responses.message().await.expect("no response is a failure");
            assert!(
                response == Some(StreamingOutputCallResponse::sized(size)),
                "the next response must be {size} zeros"
            );
        }
        let end = responses
            .message()
            .await
            .expect("the call must end with OK");
        assert_eq!(end, None, "there must be exactly four responses");
    })
    .await;
}

#[tokio::test]
async fn ping_pong() {
    standard_case(async |go| {
        let server = go.serve(&[]).await;
        let client = Client::new(&server.channel());
        let mut messages = REQUESTS.into_iter().zip(RESPONSES).map(|(request, size)| {
            let request = StreamingOutputCallRequest::asking_for(&[size]).with_payload(request);
            (request, size)
        });
        let (first, mut size) = messages.next().expect("there are four");
        let mut call = Duplex::start(&client, first)
            .await
            .expect("the call must begin");
        loop {
            let response = call.responses.message().await;
            let response = response.expect("no response is a failure");
            assert!(
                response == Some(StreamingOutputCallResponse::sized(size)),
                "the next response must be {size} zeros"
            );
            let Some((request, next)) = messages.next() else {
                break;
            };
            call.send(request);
            size = next;
        }
        drop(call.requests);
        let end = call.responses.message().await;
        let end = end.expect("the call must end with OK");
        assert_eq!(end, None, "there must be exactly four responses");
    })
    .await;
}

#[tokio::test]
async fn empty_stream() {
    standard_case(async |go| {
        let server = go.serve(&[]).await;
        let client = Client::new(&server.channel());
        let response = client.full_duplex_call(Request::new(stream::empty())).await;
        let mut responses = response.expect("the call must be successful").into_inner();
        let end = responses
            .message()
            .await
            .expect("the call must end with OK");
        assert_eq!(end, None, "there must be exactly zero responses");
    })
    .await;
}
