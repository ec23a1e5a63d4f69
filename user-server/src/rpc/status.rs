//! Errors as callers see them: a code, a text that gives nothing away, and `google.rpc` details.
//! What happened inside goes to the log, with the call's request id.

use std::collections::HashMap;
use std::time::Duration;

use service_runtime::chain::Chain;
use service_runtime::layers::request_id;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use super::error::Error;
use crate::domain::{ResumeToken, UserId, Violations};
use crate::feed::WatchError;
use crate::store;

/// The domain of `ErrorInfo`: it makes the reasons unique.
pub const DOMAIN: &str = "user.v1";

/// The type of `ResourceInfo`.
pub const RESOURCE_TYPE: &str = "user.v1.User";

/// The reasons of `ErrorInfo`. They are part of the contract.
pub mod reason {
    /// `BadRequest` says which fields.
    pub const INVALID_FIELDS: &str = "INVALID_FIELDS";
    /// `ResourceInfo` says what.
    pub const NOT_FOUND: &str = "NOT_FOUND";
    /// Another one has this e-mail address.
    pub const EMAIL_TAKEN: &str = "EMAIL_TAKEN";
    /// Somebody else changed it first; read it again.
    pub const ETAG_MISMATCH: &str = "ETAG_MISMATCH";
    /// The changes after the resume token are not kept any more; begin with the initial state.
    pub const RESUME_TOKEN_EXPIRED: &str = "RESUME_TOKEN_EXPIRED";
    /// The watch was read too slowly; the metadata's `resume_token` goes on.
    pub const READER_TOO_SLOW: &str = "READER_TOO_SLOW";
    /// This replica stops; another one goes on, with the metadata's `resume_token` if there is one.
    pub const DRAINING: &str = "DRAINING";
    /// The store does not answer; `RetryInfo` says when to try again.
    pub const STORE_UNAVAILABLE: &str = "STORE_UNAVAILABLE";
    /// A defect of the server.
    pub const INTERNAL: &str = "INTERNAL";
}

/// The keys of `ErrorInfo.metadata`. They are part of the contract.
pub mod metadata {
    /// Where a watch goes on.
    pub const RESUME_TOKEN: &str = "resume_token";
    /// How many rows of an import are decided: which were kept and which refused does not change any
    /// more. The rows from this index on were not kept, unless the connection to the database was lost
    /// at the very moment of their commit.
    pub const NEXT_INDEX: &str = "next_index";
}

/// When a caller may try again after the store did not answer.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// What a caller is told.
struct Told {
    code: Code,
    reason: &'static str,
    message: String,
    metadata: HashMap<String, String>,
}

/// What the caller of a failed call is told. Logs the failure when it is the server's.
pub(super) fn of(error: Error, request: &MetadataMap) -> Status {
    let error = match error {
        // Already a status, and not of our making.
        Error::Received(status) => return status,
        error => error,
    };
    let mut details = ErrorDetails::new();
    let told = tell(&error, &mut details);
    log(&error, told.reason, request);
    details.set_error_info(told.reason, DOMAIN, told.metadata);
    Status::with_error_details(told.code, told.message, details)
}

fn tell(error: &Error, details: &mut ErrorDetails) -> Told {
    match error {
        Error::Invalid(violations) => {
            details.set_bad_request(field_violations(violations));
            Told::new(
                Code::InvalidArgument,
                reason::INVALID_FIELDS,
                format!("the request is not valid: {violations}"),
            )
        }
        Error::NotFound { id } => about(
            *id,
            details,
            Told::new(
                Code::NotFound,
                reason::NOT_FOUND,
                format!("no {RESOURCE_TYPE} has the id {id}"),
            ),
        ),
        Error::EtagMismatch { id } => about(
            *id,
            details,
            Told::new(
                Code::Aborted,
                reason::ETAG_MISMATCH,
                format!("the {RESOURCE_TYPE} {id} was changed meanwhile; read it again"),
            ),
        ),
        Error::EmailTaken { email } => {
            details.set_resource_info(RESOURCE_TYPE, email, "", "");
            Told::new(
                Code::AlreadyExists,
                reason::EMAIL_TAKEN,
                format!("a {RESOURCE_TYPE} with the e-mail address {email} exists already"),
            )
        }
        Error::Store(source) => tell_store(source, details),
        Error::Import { next_index, source } => {
            tell_store(source, details).with(metadata::NEXT_INDEX, next_index.to_string())
        }
        Error::Watch(ended) => tell_watch(ended, details),
        Error::Closing => Told::new(
            Code::Unavailable,
            reason::DRAINING,
            "this replica stops; another one goes on".to_owned(),
        ),
        // Returned as it is.
        Error::Received(status) => {
            Told::new(status.code(), reason::INTERNAL, status.message().to_owned())
        }
    }
}

fn about(id: UserId, details: &mut ErrorDetails, told: Told) -> Told {
    details.set_resource_info(RESOURCE_TYPE, id.to_string(), "", "");
    told
}

fn tell_store(error: &store::Error, details: &mut ErrorDetails) -> Told {
    if is_temporary(error) {
        details.set_retry_info(Some(RETRY_DELAY));
        Told::new(
            Code::Unavailable,
            reason::STORE_UNAVAILABLE,
            "the store is not available; try again".to_owned(),
        )
    } else {
        Told::new(
            Code::Internal,
            reason::INTERNAL,
            "the server failed while it handled the call".to_owned(),
        )
    }
}

fn tell_watch(ended: &WatchError, details: &mut ErrorDetails) -> Told {
    let resumed_by = |told: Told, resume: Option<ResumeToken>| match resume {
        Some(token) => told.with(metadata::RESUME_TOKEN, token.to_string()),
        None => told,
    };
    match ended {
        WatchError::Store { resume, source } => resumed_by(tell_store(source, details), *resume),
        WatchError::Expired => Told::new(
            Code::OutOfRange,
            reason::RESUME_TOKEN_EXPIRED,
            "the changes after the resume token are not kept any more; begin with initial_sync"
                .to_owned(),
        ),
        WatchError::TooSlow { resume } => resumed_by(
            Told::new(
                Code::ResourceExhausted,
                reason::READER_TOO_SLOW,
                "the stream was read too slowly; its resume token goes on".to_owned(),
            ),
            Some(*resume),
        ),
        WatchError::Closing { resume } => resumed_by(
            Told::new(
                Code::Unavailable,
                reason::DRAINING,
                "this replica stops; the resume token goes on at another one".to_owned(),
            ),
            *resume,
        ),
    }
}

/// What is wrong with one row or one question of many, which does not end the call.
pub(super) fn of_one(error: &Error, request: &MetadataMap) -> (&'static str, String) {
    let told = tell(error, &mut ErrorDetails::new());
    log(error, told.reason, request);
    (told.reason, told.message)
}

fn field_violations(violations: &Violations) -> Vec<FieldViolation> {
    violations
        .found()
        .iter()
        .map(|it| FieldViolation::new(&it.field, &it.description))
        .collect()
}

/// Whether a later try may succeed.
fn is_temporary(error: &store::Error) -> bool {
    matches!(
        error,
        store::Error::Unavailable(_) | store::Error::Contended(_)
    )
}

/// Writes the chain, once; what callers did wrong is in the access log and needs no more.
fn log(error: &Error, reason: &'static str, request: &MetadataMap) {
    let request_id = request
        .get(request_id::HEADER.as_str())
        .and_then(|id| id.to_str().ok());
    let chain = Chain(error);
    match error {
        Error::Store(source)
        | Error::Import { source, .. }
        | Error::Watch(WatchError::Store { source, .. }) => {
            if is_temporary(source) {
                tracing::warn!(error = %chain, reason, request_id, "a call failed");
            } else {
                tracing::error!(error = %chain, reason, request_id, "a call failed");
            }
        }
        _ => {}
    }
}

// === impl Told ===

impl Told {
    fn new(code: Code, reason: &'static str, message: String) -> Self {
        Self {
            code,
            reason,
            message,
            metadata: HashMap::new(),
        }
    }

    fn with(mut self, key: &'static str, value: String) -> Self {
        self.metadata.insert(key.to_owned(), value);
        self
    }
}
