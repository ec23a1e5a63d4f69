//! `CreateUser`. The adapter, not the domain, has the clock and the random numbers.

use jiff::Timestamp;
use user_api::v1::{CreateUserRequest, CreateUserResponse};
use uuid::Uuid;

use super::error::Error;
use super::{Service, convert};
use crate::domain::{NewUser, RequestId, User, UserId, Violations};
use crate::store::{self, Store};

pub(super) async fn create<S: Store>(
    service: &Service<S>,
    request: &CreateUserRequest,
) -> Result<CreateUserResponse, Error> {
    let (new, request_id) = parse(request)?;
    let user = User::create(new, UserId::new(Uuid::now_v7()), Timestamp::now());
    let change = service
        .store
        .create(&user, request_id)
        .await
        .map_err(|error| match error {
            store::Error::EmailTaken => Error::EmailTaken {
                email: user.email.into(),
            },
            error => Error::Store(error),
        })?;
    Ok(CreateUserResponse {
        user: Some(convert::user(&change.user)),
    })
}

/// Checks everything that the caller chose; what is output only is ignored.
fn parse(request: &CreateUserRequest) -> Result<(NewUser, Option<RequestId>), Violations> {
    let mut violations = Violations::default();
    let user = request.user.as_ref().ok_or("is required");
    let new = violations
        .check("user", user)
        .and_then(|user| violations.nest("user", NewUser::parse(convert::draft(user))));
    let request_id = match request.request_id.as_str() {
        "" => Some(None),
        id => violations.check("request_id", id.parse::<RequestId>().map(Some)),
    };
    match (new, request_id) {
        (Some(new), Some(request_id)) => Ok((new, request_id)),
        _ => Err(violations),
    }
}
