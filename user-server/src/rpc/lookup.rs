//! `LookupUsers`: a pipeline. Answers leave as they are ready; when too many are on their way no further
//! question is read, and the caller is slowed down by HTTP/2's flow control.

use futures_util::stream::{self, StreamExt as _};
use tonic::Streaming;
use tonic::codegen::BoxStream;
use tonic::metadata::MetadataMap;
use user_api::v1::lookup_users_request::Key as ProtoKey;
use user_api::v1::lookup_users_response::Result as ProtoResult;
use user_api::v1::{LookupError, LookupUsersRequest, LookupUsersResponse};

use super::error::Error;
use super::{Service, convert, status};
use crate::domain::{Key, Tag, User, Violations};
use crate::store::Store;

/// How many questions of one call are answered at the same time: fewer than the store has connections,
/// so that one call cannot take all of them.
const MAX_IN_FLIGHT: usize = 8;

pub(super) fn lookup<S: Store>(
    service: Service<S>,
    questions: Streaming<LookupUsersRequest>,
    metadata: MetadataMap,
) -> BoxStream<LookupUsersResponse> {
    let closing = service.feed.closing().clone();
    let end = {
        let (closing, metadata) = (closing.clone(), metadata.clone());
        async move {
            closing
                .is_cancelled()
                .then(|| Err(status::of(Error::Closing, &metadata)))
        }
    };
    let answers = questions
        // What was asked is still answered, but a replica that stops reads no further.
        .take_until(closing.cancelled_owned())
        .map(move |question| {
            let (service, metadata) = (service.clone(), metadata.clone());
            async move { Ok(answer(&service, question?, &metadata).await) }
        })
        .buffer_unordered(MAX_IN_FLIGHT)
        .chain(stream::once(end).filter_map(async |end| end));
    Box::pin(answers)
}

async fn answer<S: Store>(
    service: &Service<S>,
    question: LookupUsersRequest,
    metadata: &MetadataMap,
) -> LookupUsersResponse {
    let result = match find(service, &question).await {
        Ok(Some(user)) => ProtoResult::User(convert::user(&user)),
        Ok(None) => ProtoResult::Error(LookupError {
            reason: status::reason::NOT_FOUND.to_owned(),
            message: format!("no {} is there", status::RESOURCE_TYPE),
        }),
        Err(error) => {
            let (reason, message) = status::of_one(&error, metadata);
            ProtoResult::Error(LookupError {
                reason: reason.to_owned(),
                message,
            })
        }
    };
    LookupUsersResponse {
        tag: question.tag,
        result: Some(result),
    }
}

async fn find<S: Store>(
    service: &Service<S>,
    question: &LookupUsersRequest,
) -> Result<Option<User>, Error> {
    let found = match parse(question)? {
        Key::Id(id) => service
            .cache
            .get(&service.store, id)
            .await
            .map(|found| found.map(|found| found.user.clone())),
        Key::Email(email) => service.store.find_by_email(&email).await,
    };
    found.map_err(Error::Store)
}

fn parse(question: &LookupUsersRequest) -> Result<Key, Violations> {
    let mut violations = Violations::default();
    let tag = violations.check("tag", question.tag.parse::<Tag>());
    let key = match &question.key {
        Some(ProtoKey::Id(id)) => violations.check("id", id.parse().map(Key::Id)),
        Some(ProtoKey::Email(email)) => violations.check("email", email.parse().map(Key::Email)),
        None => violations.check("key", Err("is required")),
    };
    match (tag, key) {
        (Some(_), Some(key)) => Ok(key),
        _ => Err(violations),
    }
}
