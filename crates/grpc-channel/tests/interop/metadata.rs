//! The case of metadata that the server sends back.

use futures_util::stream;
use tonic::Request;
use tonic::metadata::{MetadataMap, MetadataValue};

use crate::messages::{
    SimpleRequest, SimpleResponse, StreamingOutputCallRequest, StreamingOutputCallResponse,
};
use crate::unary::{LARGE_REQUEST, LARGE_RESPONSE};
use crate::{Client, standard_case};

const INITIAL: &str = "x-grpc-test-echo-initial";
const INITIAL_VALUE: &str = "test_initial_metadata_value";
const TRAILING: &str = "x-grpc-test-echo-trailing-bin";
const TRAILING_VALUE: &[u8] = &[0xab, 0xab, 0xab];

fn with_metadata<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    let initial = MetadataValue::from_static(INITIAL_VALUE);
    request.metadata_mut().insert(INITIAL, initial);
    let trailing = MetadataValue::from_bytes(TRAILING_VALUE);
    request.metadata_mut().insert_bin(TRAILING, trailing);
    request
}

fn assert_echoed(header: &MetadataMap, trailer: &MetadataMap) {
    let initial = header.get(INITIAL).expect("the header must have the key");
    assert_eq!(initial, INITIAL_VALUE);
    let trailing = trailer.get_bin(TRAILING);
    let trailing = trailing.expect("the trailer must have the key");
    assert_eq!(trailing.to_bytes().unwrap(), TRAILING_VALUE);
}

#[tokio::test]
async fn custom_metadata() {
    standard_case(async |go| {
        let server = go.serve(&[]).await;
        let client = Client::new(&server.channel());

        let request = with_metadata(SimpleRequest::sized(LARGE_REQUEST, LARGE_RESPONSE));
        let response = client.unary_call_in_parts(request).await;
        let response = response.expect("the call must be successful");
        assert!(
            response.message == SimpleResponse::sized(LARGE_RESPONSE),
            "the response must be {LARGE_RESPONSE} zeros"
        );
        assert_echoed(&response.header, &response.trailer);

        let request = StreamingOutputCallRequest::asking_for(&[LARGE_RESPONSE]);
        let request = request.with_payload(LARGE_REQUEST);
        let requests = with_metadata(stream::iter([request]));
        let response = client.full_duplex_call(requests).await;
        let (header, mut responses, _) =
            response.expect("the call must be successful").into_parts();
        let response = responses.message().await.expect("the response must come");
        assert!(
            response == Some(StreamingOutputCallResponse::sized(LARGE_RESPONSE)),
            "the response must be {LARGE_RESPONSE} zeros"
        );
        let end = responses
            .message()
            .await
            .expect("the call must end with OK");
        assert_eq!(end, None, "there must be exactly one response");
        let trailer = responses.trailers().await.expect("the trailer was read");
        assert_echoed(&header, &trailer.expect("there must be a trailer"));
    })
    .await;
}
