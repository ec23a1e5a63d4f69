//! Errors as callers see them: a code, a text that gives nothing away, and `google.rpc` details.
//! What happened inside goes to the log, with the call's request id.

use std::collections::HashMap;
use std::time::Duration;

use service_runtime::layers::request_id;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use super::error::Error;
use crate::domain::Violations;
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
    /// The store does not answer; `RetryInfo` says when to try again.
    pub const STORE_UNAVAILABLE: &str = "STORE_UNAVAILABLE";
    /// A defect of the server.
    pub const INTERNAL: &str = "INTERNAL";
    /// This server has no such method yet.
    pub const UNIMPLEMENTED: &str = "UNIMPLEMENTED";
}

/// When a caller may try again after the store did not answer.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// What the caller of a failed call is told. Logs the failure when it is the server's.
pub(super) fn of(error: &Error, metadata: &MetadataMap) -> Status {
    let mut details = ErrorDetails::new();
    let (code, reason, message) = match error {
        Error::Invalid(violations) => {
            details.set_bad_request(field_violations(violations));
            (
                Code::InvalidArgument,
                reason::INVALID_FIELDS,
                format!("the request is not valid: {violations}"),
            )
        }
        Error::NotFound { id } => {
            details.set_resource_info(RESOURCE_TYPE, id.to_string(), "", "");
            (
                Code::NotFound,
                reason::NOT_FOUND,
                format!("no {RESOURCE_TYPE} has the id {id}"),
            )
        }
        Error::EmailTaken { email } => {
            details.set_resource_info(RESOURCE_TYPE, email, "", "");
            (
                Code::AlreadyExists,
                reason::EMAIL_TAKEN,
                format!("a {RESOURCE_TYPE} with the e-mail address {email} exists already"),
            )
        }
        Error::Store(store::Error::Unavailable(_)) => {
            details.set_retry_info(Some(RETRY_DELAY));
            (
                Code::Unavailable,
                reason::STORE_UNAVAILABLE,
                "the store is not available; try again".to_owned(),
            )
        }
        Error::Store(_) => (
            Code::Internal,
            reason::INTERNAL,
            "the server failed while it handled the call".to_owned(),
        ),
        Error::Unimplemented { method } => (
            Code::Unimplemented,
            reason::UNIMPLEMENTED,
            format!("{method} is not implemented yet"),
        ),
    };
    details.set_error_info(reason, DOMAIN, HashMap::<String, String>::new());
    log(error, reason, metadata);
    Status::with_error_details(code, message, details)
}

fn field_violations(violations: &Violations) -> Vec<FieldViolation> {
    violations
        .found()
        .iter()
        .map(|it| FieldViolation::new(&it.field, &it.description))
        .collect()
}

/// Writes the chain, once; what callers did wrong is in the access log and needs no more.
fn log(error: &Error, reason: &'static str, metadata: &MetadataMap) {
    let request_id = metadata
        .get(request_id::HEADER.as_str())
        .and_then(|id| id.to_str().ok());
    let chain: &dyn std::error::Error = error;
    match error {
        Error::Store(store::Error::Unavailable(_)) => {
            tracing::warn!(error = chain, reason, request_id, "a call failed");
        }
        Error::Store(_) => tracing::error!(error = chain, reason, request_id, "a call failed"),
        _ => {}
    }
}
