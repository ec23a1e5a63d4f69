//! The runtime's other shape: a thread, and a listener, for each core.

use service_runtime::drain::Outcome;
use service_runtime::runtime::Shape;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use user_api::v1;
use user_api::v1::lookup_users_request::Key;

use crate::running::{Running, settings, soon};

/// So many that no core is without one: the kernel deals them out by a hash of both addresses.
const CONNECTIONS: usize = 24;

async fn per_core() -> Running {
    let mut settings = settings("sqlite::memory:");
    settings.runtime.shape = Shape::PerCore;
    settings.runtime.threads = 2;
    // Far beyond what the test waits for: a drain ends because the calls do.
    settings.drain.deadline = std::time::Duration::from_hours(1);
    Running::start(settings).await
}

#[tokio::test]
async fn every_connection_is_answered_whichever_core_has_it() {
    let server = per_core().await;
    for _ in 0..CONNECTIONS {
        let mut client = server.client().await;
        let listed = client.list_users(v1::ListUsersRequest::default());
        soon("an answer", listed).await.unwrap();
    }
    assert_eq!(server.stop().await, Outcome::Clean);
}

#[tokio::test]
async fn a_drain_ends_the_calls_of_every_core() {
    let server = per_core().await;
    let mut pipelines = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = server.client().await;
        let (questions, receiver) = tokio::sync::mpsc::channel(1);
        let question = v1::LookupUsersRequest {
            tag: "first".to_owned(),
            key: Some(Key::Email("nobody@example.com".to_owned())),
        };
        questions.send(question).await.unwrap();
        let answers = client.lookup_users(ReceiverStream::new(receiver));
        let mut answers = soon("the headers", answers).await.unwrap().into_inner();
        soon("an answer", answers.message()).await.unwrap().unwrap();
        pipelines.push((questions, answers));
    }
    assert_eq!(server.stop().await, Outcome::Clean);
    for (_questions, mut answers) in pipelines {
        let status = soon("the end", answers.message()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
    }
}
