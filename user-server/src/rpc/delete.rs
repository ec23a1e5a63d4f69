//! `DeleteUser`.

use jiff::Timestamp;
use user_api::v1::{DeleteUserRequest, DeleteUserResponse};

use super::Service;
use super::error::Error;
use crate::domain::{Etag, UserId, Violations};
use crate::store::{self, Store};

pub(super) async fn delete<S: Store>(
    service: &Service<S>,
    request: &DeleteUserRequest,
) -> Result<DeleteUserResponse, Error> {
    let id: UserId = request
        .id
        .parse()
        .map_err(|error| Violations::one("id", format!("{error}")))?;
    let etag = (!request.etag.is_empty()).then(|| Etag::from(&*request.etag));
    let deleted = service
        .store
        .delete(id, etag.as_ref(), Timestamp::now())
        .await;
    match deleted {
        Ok(change) => service.cache.apply(&change),
        Err(store::Error::NotFound) if request.allow_missing => {}
        Err(store::Error::NotFound) => return Err(Error::NotFound { id }),
        Err(store::Error::EtagMismatch) => return Err(Error::EtagMismatch { id }),
        Err(error) => return Err(Error::Store(error)),
    }
    Ok(DeleteUserResponse {})
}
