//! The cases of one request and one response.

use tonic::Code;

use crate::messages::{SERVICE, SimpleRequest, SimpleResponse};
use crate::{Client, standard_case};

/// The sizes that the description of the cases gives.
pub(crate) const LARGE_REQUEST: usize = 271_828;
pub(crate) const LARGE_RESPONSE: usize = 314_159;

/// The case itself, which the soak tests repeat.
pub(crate) async fn do_large_unary(client: &Client) {
    let request = SimpleRequest::sized(LARGE_REQUEST, LARGE_RESPONSE);
    let response = client.unary_call(request).await;
    let response = response.expect("the call must be successful").into_inner();
    assert!(
        response == SimpleResponse::sized(LARGE_RESPONSE),
        "the response must be {LARGE_RESPONSE} zeros"
    );
}

#[tokio::test]
async fn empty_unary() {
    standard_case(async |go| {
        let server = go.serve(&[]).await;
        let client = Client::new(&server.channel());
        let response = client.empty_call().await;
        response.expect("the call must be successful");
    })
    .await;
}

#[tokio::test]
async fn large_unary() {
    standard_case(async |go| {
        let server = go.serve(&[]).await;
        do_large_unary(&Client::new(&server.channel())).await;
    })
    .await;
}

#[tokio::test]
async fn unimplemented_method() {
    standard_case(async |go| {
        let server = go.serve(&[]).await;
        let client = Client::new(&server.channel());
        let status = client.unimplemented_call(SERVICE).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{status}");
    })
    .await;
}

#[tokio::test]
async fn unimplemented_service() {
    standard_case(async |go| {
        let server = go.serve(&[]).await;
        let client = Client::new(&server.channel());
        let service = "grpc.testing.UnimplementedService";
        let status = client.unimplemented_call(service).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{status}");
    })
    .await;
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_server_that_speaks_tls_answers_no_plaintext() {
    crate::interop(async |go| {
        let server = go.over_tls().serve(&[]).await;
        let channel = crate::peer::to([&server]).connect().unwrap();
        let status = Client::new(&channel).empty_call().await;
        let status = status.expect_err("the server must be one that really speaks TLS");
        assert_eq!(status.code(), Code::Unavailable, "{status}");
    })
    .await;
}
