//! What one call of a load run is, and what the engine wants to know about its answer.

use std::future::Future;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::{Request, Response, Status};
use user_api::v1::user_service_client::UserServiceClient;
use user_api::v1::{GetUserRequest, ListUsersRequest};

use crate::compression::Compression;
use crate::connect::Channel;

/// The header in which a replica names itself.
const SERVED_BY: &str = "x-served-by";

/// Makes one call after another; every worker has a clone of its own.
pub trait Call: Clone + Send + 'static {
    /// Makes one call and says who answered it, and how.
    fn call(&mut self) -> impl Future<Output = Answer> + Send;
}

/// The answer to one call, as far as a load run cares.
#[derive(Debug)]
pub struct Answer {
    served_by: Option<MetadataValue<Ascii>>,
    failure: Option<Status>,
}

/// Calls `GetUser` for the same id again and again.
#[derive(Clone, Debug)]
pub struct GetCall {
    channel: Channel,
    client: UserServiceClient<Channel>,
    id: String,
    timeout: Duration,
}

/// Calls `ListUsers` for a page of one again and again: the read that needs nothing prepared, and
/// that every replica answers alike even when each has a store of its own.
#[derive(Clone, Debug)]
pub struct ListCall {
    channel: Channel,
    client: UserServiceClient<Channel>,
    timeout: Duration,
}

// === impl Answer ===

impl Answer {
    /// The answer of this replica, if it is known; failed or not.
    ///
    /// A name that is no valid header value counts as unknown.
    #[must_use]
    pub fn new(served_by: Option<&str>, failure: Option<Status>) -> Self {
        Self {
            served_by: served_by.and_then(|name| name.parse().ok()),
            failure,
        }
    }

    /// The replica, as it names itself.
    #[must_use]
    pub fn served_by(&self) -> Option<&str> {
        self.served_by.as_ref()?.to_str().ok()
    }

    /// Why the call failed; `None` when it did not.
    #[must_use]
    pub const fn failure(&self) -> Option<&Status> {
        self.failure.as_ref()
    }

    fn named_in(metadata: &MetadataMap) -> Option<MetadataValue<Ascii>> {
        // A clone of the value shares its bytes.
        metadata.get(SERVED_BY).cloned()
    }
}

impl<T> From<Result<Response<T>, Status>> for Answer {
    fn from(result: Result<Response<T>, Status>) -> Self {
        match result {
            Ok(response) => Self {
                served_by: Self::named_in(response.metadata()),
                failure: None,
            },
            Err(status) => Self {
                served_by: Self::named_in(status.metadata()),
                failure: Some(status),
            },
        }
    }
}

// === impl GetCall ===

impl GetCall {
    /// Asks for `id`; one call may take `timeout`.
    #[must_use]
    pub fn new(channel: Channel, id: String, timeout: Duration) -> Self {
        Self {
            client: UserServiceClient::new(channel.clone()),
            channel,
            id,
            timeout,
        }
    }

    /// The same call with messages that are compressed in this way.
    #[must_use]
    pub fn compressed(mut self, compression: Compression) -> Self {
        self.client = compression.stub(self.channel.clone());
        self
    }
}

impl Call for GetCall {
    async fn call(&mut self) -> Answer {
        let mut request = Request::new(GetUserRequest {
            id: self.id.clone(),
        });
        request.set_timeout(self.timeout);
        self.client.get_user(request).await.into()
    }
}

// === impl ListCall ===

impl ListCall {
    /// One call may take `timeout`.
    #[must_use]
    pub fn new(channel: Channel, timeout: Duration) -> Self {
        Self {
            client: UserServiceClient::new(channel.clone()),
            channel,
            timeout,
        }
    }

    /// The same call with messages that are compressed in this way.
    #[must_use]
    pub fn compressed(mut self, compression: Compression) -> Self {
        self.client = compression.stub(self.channel.clone());
        self
    }
}

impl Call for ListCall {
    async fn call(&mut self) -> Answer {
        let mut request = Request::new(ListUsersRequest {
            page_size: 1,
            ..ListUsersRequest::default()
        });
        request.set_timeout(self.timeout);
        self.client.list_users(request).await.into()
    }
}
