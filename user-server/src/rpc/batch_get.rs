//! `BatchGetUsers`.

use std::collections::HashMap;

use user_api::v1::{BatchGetUsersRequest, BatchGetUsersResponse};

use super::error::Error;
use super::{Service, convert};
use crate::domain::{Ids, User, UserId};
use crate::store::Store;

pub(super) async fn batch_get<S: Store>(
    service: &Service<S>,
    request: &BatchGetUsersRequest,
) -> Result<BatchGetUsersResponse, Error> {
    let ids = Ids::parse(&request.ids)?;
    let found = service.store.batch_get(&ids).await.map_err(Error::Store)?;
    let found: HashMap<UserId, User> = found.into_iter().map(|user| (user.id, user)).collect();
    let mut response = BatchGetUsersResponse::default();
    for id in ids.as_slice() {
        match found.get(id) {
            Some(user) => response.users.push(convert::user(user)),
            None => response.missing_ids.push(id.to_string()),
        }
    }
    Ok(response)
}
