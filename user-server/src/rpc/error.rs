//! Everything that can go wrong with a call.

use tonic::Status;

use crate::domain::{UserId, Violations};
use crate::feed::WatchError;
use crate::store;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The request is not acceptable.
    #[error("the request has invalid fields")]
    Invalid(#[from] Violations),
    /// There is none with this id.
    #[error("there is no such resource")]
    NotFound { id: UserId },
    /// Another one has this address.
    #[error("the e-mail address is taken")]
    EmailTaken { email: String },
    /// Somebody else changed it first.
    #[error("the etag is not the current one")]
    EtagMismatch { id: UserId },
    /// The store could not do it.
    #[error("the store did not answer")]
    Store(#[source] store::Error),
    /// An import stopped; what was kept until then stays.
    #[error("the import stopped")]
    Import {
        /// What becomes of the rows before this one is known.
        next_index: u64,
        source: store::Error,
    },
    /// A watch ended.
    #[error("the watch ended")]
    Watch(#[source] WatchError),
    /// A pipeline of look-ups ends because the process stops.
    #[error("the process stops")]
    Closing,
    /// The caller's own stream ended with an error.
    #[error("the request could not be received")]
    Received(#[source] Status),
}
