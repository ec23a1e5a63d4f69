//! What refused callers are told: that their credentials are missing or not accepted, and not why.
//! Why is in the server's log.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The domain of `ErrorInfo`: it makes the reasons unique.
pub const DOMAIN: &str = "service-runtime";

/// The reasons of `ErrorInfo`. They are part of the contract.
pub mod reason {
    /// No credentials of an accepted kind came with the call.
    pub const CREDENTIALS_MISSING: &str = "CREDENTIALS_MISSING";
    /// The credentials are not accepted.
    pub const CREDENTIALS_INVALID: &str = "CREDENTIALS_INVALID";
    /// The caller lacks a permission; `permission` in the metadata names it.
    pub const PERMISSION_MISSING: &str = "PERMISSION_MISSING";
    /// The policy says nothing about the method, so that nobody may call it.
    pub const METHOD_NOT_COVERED: &str = "METHOD_NOT_COVERED";
    /// The keys of the tokens' issuer are not there yet; `RetryInfo` says when to try again.
    pub const KEYS_UNAVAILABLE: &str = "KEYS_UNAVAILABLE";
    /// Too many passwords are being checked; `RetryInfo` says when to try again.
    pub const TOO_MANY_PASSWORD_CHECKS: &str = "TOO_MANY_PASSWORD_CHECKS";
}

/// When a caller may try again whose credentials could not be checked now.
const BUSY: Duration = Duration::from_secs(1);

/// Why a call is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No credentials.
    Missing,
    /// Bad ones; what is bad about them is for the log alone.
    Invalid(Cause),
    /// There are too many passwords to check.
    Busy,
    /// The issuer's keys were never there, so that no token can be judged.
    NoKeys,
    /// The permission that is missing.
    Permission(String),
    /// The policy says nothing about the method.
    NotCovered,
}

/// What is wrong with credentials, for the log. It never holds a part of them.
pub(crate) type Cause = &'static str;

// === impl Refusal ===

impl Refusal {
    /// For the log.
    pub(crate) fn cause(&self) -> Cause {
        match self {
            Self::Missing => "no credentials",
            Self::Invalid(cause) => cause,
            Self::Busy => "too many passwords to check",
            Self::NoKeys => "the keys of the issuer are not there",
            Self::Permission(_) => "a permission is missing",
            Self::NotCovered => "the policy does not cover the method",
        }
    }

    pub(crate) fn status(&self) -> Status {
        let mut details = ErrorDetails::new();
        let mut metadata = HashMap::new();
        let (code, reason, message) = match self {
            Self::Missing => (
                Code::Unauthenticated,
                reason::CREDENTIALS_MISSING,
                "this method needs credentials".to_owned(),
            ),
            Self::Invalid(_) => (
                Code::Unauthenticated,
                reason::CREDENTIALS_INVALID,
                "the credentials are not accepted".to_owned(),
            ),
            Self::Busy => {
                details.set_retry_info(Some(BUSY));
                (
                    Code::ResourceExhausted,
                    reason::TOO_MANY_PASSWORD_CHECKS,
                    "too many passwords are being checked; try again".to_owned(),
                )
            }
            Self::NoKeys => {
                details.set_retry_info(Some(BUSY));
                (
                    Code::Unavailable,
                    reason::KEYS_UNAVAILABLE,
                    "tokens cannot be verified yet; try again, or another replica".to_owned(),
                )
            }
            Self::Permission(permission) => {
                metadata.insert("permission".to_owned(), permission.clone());
                (
                    Code::PermissionDenied,
                    reason::PERMISSION_MISSING,
                    format!("the caller lacks the permission {permission}"),
                )
            }
            Self::NotCovered => (
                Code::PermissionDenied,
                reason::METHOD_NOT_COVERED,
                "nobody may call this method".to_owned(),
            ),
        };
        details.set_error_info(reason, DOMAIN, metadata);
        Status::with_error_details(code, message, details)
    }
}
