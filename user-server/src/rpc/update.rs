//! `UpdateUser`.

use jiff::Timestamp;
use user_api::v1::{UpdateUserRequest, UpdateUserResponse};

use super::error::Error;
use super::{Service, convert};
use crate::domain::{Update, UpdateDraft, Violations};
use crate::store::{self, Store};

pub(super) async fn update<S: Store>(
    service: &Service<S>,
    request: &UpdateUserRequest,
) -> Result<UpdateUserResponse, Error> {
    let update = parse(request)?;
    let id = update.id;
    let change = service
        .store
        .update(&update, Timestamp::now())
        .await
        .map_err(|error| match error {
            store::Error::NotFound => Error::NotFound { id },
            store::Error::EtagMismatch => Error::EtagMismatch { id },
            store::Error::EmailTaken => Error::EmailTaken {
                email: update.email.map(String::from).unwrap_or_default(),
            },
            error => Error::Store(error),
        })?;
    // Before it comes back by the feed, so that this caller reads here what it wrote here.
    service.cache.apply(&change);
    Ok(UpdateUserResponse {
        user: Some(convert::user(&change.user)),
    })
}

fn parse(request: &UpdateUserRequest) -> Result<Update, Violations> {
    let user = request
        .user
        .as_ref()
        .ok_or_else(|| Violations::one("user", "is required"))?;
    let mask = request.update_mask.as_ref();
    Update::parse(UpdateDraft {
        id: &user.id,
        etag: &user.etag,
        values: convert::draft(user),
        mask: mask.map_or(&[], |mask| mask.paths.as_slice()),
    })
}
