//! What a run needs before it begins: a service that answers, and an id to ask for.
//!
//! One call that fails with its reason is worth more than a report of a million that failed alike.

use std::time::Duration;

use tonic::{Request, Status};
use user_api::v1::user_service_client::UserServiceClient;
use user_api::v1::{CreateUserRequest, ListUsersRequest, User};

use crate::connect::Channel;
use crate::status::Text;

/// How long after a call that failed the next one is made.
const AGAIN: Duration = Duration::from_secs(1);

/// A call that the run needs has failed.
#[derive(Debug, thiserror::Error)]
#[error("{method} failed")]
pub struct PrepareError {
    /// The RPC.
    pub method: &'static str,
    /// What came back.
    #[source]
    pub status: Box<Status>,
}

/// The id of the first entry; `None` when there is none. Each call may take `timeout`.
///
/// # Errors
/// When the service does not answer.
pub async fn first_id(
    channel: &Channel,
    timeout: Duration,
) -> Result<Option<String>, PrepareError> {
    let mut request = Request::new(ListUsersRequest {
        page_size: 1,
        ..ListUsersRequest::default()
    });
    request.set_timeout(timeout);
    let page = UserServiceClient::new(channel.clone())
        .list_users(request)
        .await
        .map_err(|status| PrepareError::of("ListUsers", status))?;
    let first = page.into_inner().users.into_iter().next();
    Ok(first.map(|user| user.id))
}

/// Waits until the service answers, for as long as that takes; the log says why it does not. Each call
/// may take `timeout`. Cancel-safe.
pub async fn answers(channel: &Channel, timeout: Duration) {
    while let Err(error) = first_id(channel, timeout).await {
        tracing::warn!(error = %Text(&error.status), "the service does not answer yet");
        tokio::time::sleep(AGAIN).await;
    }
}

/// The id of the first entry, or of one that is created when there is none.
///
/// # Errors
/// When the service does not answer, or refuses the new entry.
pub async fn any_id(channel: &Channel, timeout: Duration) -> Result<String, PrepareError> {
    if let Some(id) = first_id(channel, timeout).await? {
        return Ok(id);
    }
    let mut request = Request::new(CreateUserRequest {
        user: Some(User {
            display_name: "Load".to_owned(),
            email: "load@example.com".to_owned(),
            ..User::default()
        }),
        request_id: String::new(),
    });
    request.set_timeout(timeout);
    let created = UserServiceClient::new(channel.clone())
        .create_user(request)
        .await
        .map_err(|status| PrepareError::of("CreateUser", status))?;
    Ok(created.into_inner().user.unwrap_or_default().id)
}

// === impl PrepareError ===

impl PrepareError {
    fn of(method: &'static str, status: Status) -> Self {
        Self {
            method,
            status: Box::new(status),
        }
    }
}
