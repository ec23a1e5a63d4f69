//! Everything that can go wrong with a call.

use crate::domain::{UserId, Violations};
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
    /// The store could not do it.
    #[error("the store did not answer")]
    Store(#[source] store::Error),
    /// This server has no such method yet.
    #[error("{method} is not implemented yet")]
    Unimplemented { method: &'static str },
}
