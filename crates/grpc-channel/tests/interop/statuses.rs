//! The cases of a status that the server is told to answer.

use tonic::{Code, Status};

use crate::client::Duplex;
use crate::messages::{EchoStatus, SimpleRequest, StreamingOutputCallRequest};
use crate::{Client, standard_case};

fn assert_unknown(status: &Status, message: &str) {
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unknown, message),
        "the status must be the one that was sent"
    );
}

fn unknown(message: &str) -> EchoStatus {
    EchoStatus {
        code: Code::Unknown.into(),
        message: message.to_owned(),
    }
}

#[tokio::test]
async fn status_code_and_message() {
    standard_case(async |go| {
        let server = go.serve(&[]).await;
        let client = Client::new(&server.channel());
        let message = "test status message";

        let request = SimpleRequest::failing(unknown(message));
        assert_unknown(&client.unary_call(request).await.unwrap_err(), message);

        let request = StreamingOutputCallRequest::failing(unknown(message));
        let ended = async {
            let mut call = Duplex::start(&client, request).await?;
            drop(call.requests);
            call.responses.message().await
        };
        assert_unknown(&ended.await.unwrap_err(), message);
    })
    .await;
}

#[tokio::test]
async fn special_status_message() {
    standard_case(async |go| {
        let server = go.serve(&[]).await;
        let client = Client::new(&server.channel());
        let message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
        let request = SimpleRequest::failing(unknown(message));
        assert_unknown(&client.unary_call(request).await.unwrap_err(), message);
    })
    .await;
}
