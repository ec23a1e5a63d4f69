//! `GetUser`.

use user_api::v1::{GetUserRequest, GetUserResponse};

use super::error::Error;
use super::{Service, convert};
use crate::domain::{UserId, Violations};
use crate::store::Store;

pub(super) async fn get<S: Store>(
    service: &Service<S>,
    request: &GetUserRequest,
) -> Result<GetUserResponse, Error> {
    let id: UserId = request
        .id
        .parse()
        .map_err(|error| Violations::one("id", format!("{error}")))?;
    let found = service
        .cache
        .get(&service.store, id)
        .await
        .map_err(Error::Store)?
        .ok_or(Error::NotFound { id })?;
    Ok(GetUserResponse {
        user: Some(convert::user(&found.user)),
    })
}
