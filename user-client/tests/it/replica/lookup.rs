//! `LookupUsers`: questions are answered as a pipeline, and not in the order in which they came.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use user_api::v1::lookup_users_request::Key;
use user_api::v1::lookup_users_response::Result as Found;
use user_api::v1::{LookupError, LookupUsersRequest, LookupUsersResponse};

use super::Store;

pub(super) fn stream(
    store: Arc<Store>,
    mut questions: Streaming<LookupUsersRequest>,
) -> ReceiverStream<Result<LookupUsersResponse, Status>> {
    let (answers, stream) = mpsc::channel(4);
    tokio::spawn(async move {
        let mut is_slow = true;
        while let Ok(Some(question)) = questions.message().await {
            let answer = answer(&store, question);
            let answers = answers.clone();
            let latency = Duration::from_millis(if is_slow { 20 } else { 0 });
            is_slow = !is_slow;
            tokio::spawn(async move {
                tokio::time::sleep(latency).await;
                let _gone = answers.send(Ok(answer)).await;
            });
        }
    });
    ReceiverStream::new(stream)
}

fn answer(store: &Store, question: LookupUsersRequest) -> LookupUsersResponse {
    let users = store.users();
    let found = match question.key {
        Some(Key::Id(id)) => users.into_iter().find(|it| it.id == id),
        Some(Key::Email(email)) => users.into_iter().find(|it| it.email == email),
        None => None,
    };
    let result = found.map_or_else(
        || {
            Found::Error(LookupError {
                reason: "NOT_FOUND".to_owned(),
                message: "there is none".to_owned(),
            })
        },
        Found::User,
    );
    LookupUsersResponse {
        tag: question.tag,
        result: Some(result),
    }
}
