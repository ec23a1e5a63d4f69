//! A server that sheds its load.

use std::time::Duration;

use tonic::Code;
use tonic_types::StatusExt as _;

use crate::messages::SimpleRequest;
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
