//! A failed call, told to people and to machines: code, message and every `google.rpc` detail.
//!
//! The details are where a server says which field is wrong and when to try again; a client that
//! prints only the message makes its callers guess.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::{ErrorDetail, StatusExt as _};

use crate::output::printable;

/// Shows a status as lines of text: the code and the message, then one indented line per detail.
#[derive(Debug)]
pub struct Text<'a>(pub &'a Status);

/// The name of a code as the gRPC documents write it, such as `NOT_FOUND`.
#[must_use]
pub const fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The same as one JSON object: `code`, `message` and `details`, named as in `google.rpc`.
#[must_use]
pub fn json(status: &Status) -> Value {
    let details: Vec<Value> = status
        .get_error_details_vec()
        .iter()
        .filter_map(detail)
        .collect();
    json!({
        "code": name(status.code()),
        "message": status.message(),
        "details": details,
    })
}

// === impl Text ===

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.0;
        f.write_str(name(status.code()))?;
        if !status.message().is_empty() {
            write!(f, ": {}", printable(status.message()))?;
        }
        for detail in status.get_error_details_vec() {
            for line in lines(&detail) {
                write!(f, "\n  {}", printable(&line))?;
            }
        }
        Ok(())
    }
}

/// What one detail says, a line for each thing that it lists.
fn lines(detail: &ErrorDetail) -> Vec<String> {
    match detail {
        ErrorDetail::BadRequest(bad) => bad
            .field_violations
            .iter()
            .map(|it| format!("{}: {}", it.field, it.description))
            .collect(),
        ErrorDetail::ErrorInfo(info) => {
            let mut lines = vec![format!("reason: {} ({})", info.reason, info.domain)];
            let mut metadata: Vec<_> = info.metadata.iter().collect();
            metadata.sort();
            lines.extend(
                metadata
                    .iter()
                    .map(|(key, value)| format!("{key}: {value}")),
            );
            lines
        }
        ErrorDetail::RetryInfo(retry) => retry
            .retry_delay
            .map(|delay| format!("try again in {}", crate::output::duration(delay)))
            .into_iter()
            .collect(),
        ErrorDetail::ResourceInfo(it) => {
            let mut line = format!("resource: {} {}", it.resource_type, it.resource_name);
            if !it.description.is_empty() {
                line.push_str(", ");
                line.push_str(&it.description);
            }
            vec![line]
        }
        ErrorDetail::QuotaFailure(quota) => quota
            .violations
            .iter()
            .map(|it| format!("quota of {}: {}", it.subject, it.description))
            .collect(),
        ErrorDetail::PreconditionFailure(failure) => failure
            .violations
            .iter()
            .map(|it| format!("{} {}: {}", it.r#type, it.subject, it.description))
            .collect(),
        ErrorDetail::RequestInfo(request) => vec![format!("request id: {}", request.request_id)],
        ErrorDetail::LocalizedMessage(it) => vec![format!("{} ({})", it.message, it.locale)],
        ErrorDetail::Help(help) => help
            .links
            .iter()
            .map(|link| format!("{}: {}", link.description, link.url))
            .collect(),
        ErrorDetail::DebugInfo(debug) => vec![format!("debug: {}", debug.detail)],
        _ => Vec::new(),
    }
}

/// One detail as JSON; `None` for a kind that this client does not know.
fn detail(detail: &ErrorDetail) -> Option<Value> {
    Some(match detail {
        ErrorDetail::BadRequest(bad) => json!({
            "type": "BadRequest",
            "fieldViolations": bad.field_violations.iter()
                .map(|it| json!({ "field": it.field, "description": it.description }))
                .collect::<Vec<_>>(),
        }),
        ErrorDetail::ErrorInfo(info) => json!({
            "type": "ErrorInfo",
            "reason": info.reason,
            "domain": info.domain,
            "metadata": info.metadata,
        }),
        ErrorDetail::RetryInfo(retry) => json!({
            "type": "RetryInfo",
            "retryDelaySeconds": retry.retry_delay.as_ref().map(Duration::as_secs_f64),
        }),
        ErrorDetail::ResourceInfo(it) => json!({
            "type": "ResourceInfo",
            "resourceType": it.resource_type,
            "resourceName": it.resource_name,
            "owner": it.owner,
            "description": it.description,
        }),
        ErrorDetail::QuotaFailure(quota) => json!({
            "type": "QuotaFailure",
            "violations": quota.violations.iter()
                .map(|it| json!({ "subject": it.subject, "description": it.description }))
                .collect::<Vec<_>>(),
        }),
        ErrorDetail::PreconditionFailure(failure) => json!({
            "type": "PreconditionFailure",
            "violations": failure.violations.iter()
                .map(|it| json!({
                    "type": it.r#type, "subject": it.subject, "description": it.description,
                }))
                .collect::<Vec<_>>(),
        }),
        ErrorDetail::RequestInfo(request) => json!({
            "type": "RequestInfo",
            "requestId": request.request_id,
            "servingData": request.serving_data,
        }),
        ErrorDetail::LocalizedMessage(it) => json!({
            "type": "LocalizedMessage",
            "locale": it.locale,
            "message": it.message,
        }),
        ErrorDetail::Help(help) => json!({
            "type": "Help",
            "links": help.links.iter()
                .map(|it| json!({ "description": it.description, "url": it.url }))
                .collect::<Vec<_>>(),
        }),
        ErrorDetail::DebugInfo(debug) => json!({
            "type": "DebugInfo",
            "stackEntries": debug.stack_entries,
            "detail": debug.detail,
        }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    fn refused() -> Status {
        let mut details = ErrorDetails::new();
        details.add_bad_request_violation("display_name", "must not be empty");
        details.add_bad_request_violation("email", "is no address");
        details.set_retry_info(Some(Duration::from_millis(1500)));
        Status::with_error_details(Code::InvalidArgument, "2 fields are wrong", details)
    }

    #[test]
    fn every_violation_is_a_line_that_names_its_field() {
        let text = Text(&refused()).to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "INVALID_ARGUMENT: 2 fields are wrong");
        for line in [
            "  display_name: must not be empty",
            "  email: is no address",
            "  try again in 1.5s",
        ] {
            assert!(lines.contains(&line), "{line:?} must be one of {lines:#?}");
        }
    }

    #[test]
    fn machines_get_the_same_as_people() {
        let json = json(&refused());
        assert_eq!(json["code"], "INVALID_ARGUMENT");
        let details = json["details"].as_array().expect("details are a list");
        let bad = details
            .iter()
            .find(|it| it["type"] == "BadRequest")
            .unwrap();
        assert_eq!(bad["fieldViolations"][1]["field"], "email");
        let retry = details.iter().find(|it| it["type"] == "RetryInfo").unwrap();
        assert_eq!(retry["retryDelaySeconds"], 1.5);
    }

    #[test]
    fn a_server_cannot_write_to_the_terminal_of_an_operator() {
        let hostile = Status::not_found("gone \u{1b}[2J\nOK: all is well");
        assert_eq!(
            Text(&hostile).to_string(),
            "NOT_FOUND: gone \\u{1b}[2J\\nOK: all is well",
            "control characters must be shown, not obeyed"
        );
    }
}
