//! `LookupUsers`, over real sockets.

use std::collections::HashSet;

use tokio_stream::wrappers::ReceiverStream;
use user_api::v1;
use user_api::v1::lookup_users_request::Key;
use user_api::v1::lookup_users_response::Result as Answer;

use crate::running::{Running, creation, settings, soon};

fn question(tag: &str, key: impl Into<Option<Key>>) -> v1::LookupUsersRequest {
    v1::LookupUsersRequest {
        tag: tag.to_owned(),
        key: key.into(),
    }
}

fn by_email(email: &str) -> Key {
    Key::Email(email.to_owned())
}

#[tokio::test]
async fn answers_come_while_questions_are_still_asked() {
    let server = Running::in_memory().await;
    let mut client = server.client().await;
    let user = client
        .create_user(creation("Ada", "ada@example.com"))
        .await
        .unwrap()
        .into_inner()
        .user
        .unwrap();
    let (questions, receiver) = tokio::sync::mpsc::channel(1);
    let answers = client.lookup_users(ReceiverStream::new(receiver));
    // The headers come with the first answer, at the latest.
    questions
        .send(question("first", Key::Id(user.id.clone())))
        .await
        .unwrap();
    let mut answers = soon("the headers", answers).await.unwrap().into_inner();
    let mut next = async || {
        let answer = soon("an answer", answers.message()).await.unwrap();
        answer.map(|answer| (answer.tag, answer.result.unwrap()))
    };
    let found = Answer::User(user);
    assert_eq!(next().await, Some(("first".to_owned(), found.clone())));
    let send = async |question| questions.send(question).await.unwrap();
    send(question("second", by_email("ADA@example.com"))).await;
    assert_eq!(next().await, Some(("second".to_owned(), found)));
    for (tag, key, reason) in [
        ("nobody", Some(by_email("nobody@example.com")), "NOT_FOUND"),
        ("malformed", Some(by_email("nobody")), "INVALID_FIELDS"),
        ("nothing", None, "INVALID_FIELDS"),
        (
            &*"x".repeat(65),
            Some(by_email("ada@example.com")),
            "INVALID_FIELDS",
        ),
    ] {
        send(question(tag, key)).await;
        let Some((answered, Answer::Error(error))) = next().await else {
            panic!("{tag} must have an answer");
        };
        assert_eq!((&*answered, &*error.reason), (tag, reason));
    }
    drop(questions);
    assert_eq!(
        next().await,
        None,
        "the end of the questions ends the answers"
    );
}

#[tokio::test]
async fn every_one_of_many_questions_is_answered_once() {
    let server = Running::in_memory().await;
    let mut client = server.client().await;
    client
        .create_user(creation("Ada", "ada@example.com"))
        .await
        .unwrap();
    let questions: Vec<_> = (0..2000)
        .map(|index| question(&index.to_string(), by_email("ada@example.com")))
        .collect();
    let mut answers = client
        .lookup_users(tokio_stream::iter(questions))
        .await
        .unwrap()
        .into_inner();
    let mut tags = HashSet::new();
    while let Some(answer) = soon("an answer", answers.message()).await.unwrap() {
        assert!(matches!(answer.result, Some(Answer::User(_))));
        assert!(tags.insert(answer.tag), "once");
    }
    assert_eq!(tags.len(), 2000);
}

#[tokio::test]
async fn a_pipeline_does_not_hold_a_drain_up() {
    let mut settings = settings("sqlite::memory:");
    settings.drain.deadline = std::time::Duration::from_hours(1);
    let server = Running::start(settings).await;
    let mut client = server.client().await;
    let (questions, receiver) = tokio::sync::mpsc::channel(1);
    questions
        .send(question("first", by_email("nobody@example.com")))
        .await
        .unwrap();
    let answers = client.lookup_users(ReceiverStream::new(receiver));
    let mut answers = soon("the headers", answers).await.unwrap().into_inner();
    soon("an answer", answers.message()).await.unwrap().unwrap();
    assert_eq!(server.stop().await, service_runtime::drain::Outcome::Clean);
    let status = soon("the end", answers.message()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    drop(questions);
}
