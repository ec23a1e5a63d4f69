//! From a failed stream to a status, and to the one question that decides about a retry: can the
//! server have seen the call?

use http::StatusCode;
use tonic::{Code, Status};

use super::disconnect::{Disconnect, code_name};
use crate::resolver::Address;

/// A call that failed before its response began.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    pub(crate) progress: Progress,
}

/// How far a call got (gRFC A6, "transparent retries").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It never left this process.
    NotSent,
    /// The server drains and said that it did not process it: by a GOAWAY without an error, whose
    /// last stream is an earlier one.
    Drained,
    /// The server said that it did not process it: by `REFUSED_STREAM`, or by a GOAWAY with an error.
    Refused,
    /// The server may have processed it.
    Unknown,
    /// There was no replica to send it to; to ask again would give the same answer.
    NoReplica,
}

// === impl Failure ===

impl Failure {
    /// There was nothing to authenticate the call with. It was not sent, but what was asked for it
    /// may be as busy as a server, so the policy decides.
    pub(crate) fn without_credentials(status: Status) -> Self {
        Self {
            status,
            progress: Progress::Unknown,
        }
    }

    /// The connection ended before it was the call's turn.
    pub(super) fn too_late(address: &Address) -> Self {
        Self {
            status: unavailable(address, &Disconnect::Closed),
            progress: Progress::NotSent,
        }
    }

    /// The connection took no stream.
    pub(super) fn not_sent(error: &h2::Error, address: &Address) -> Self {
        Self {
            status: unavailable(address, &Disconnect::from_h2(error)),
            progress: Progress::NotSent,
        }
    }

    /// The request itself cannot be sent, for example because it has a header that HTTP/2 forbids.
    pub(super) fn malformed(error: &h2::Error) -> Self {
        Self {
            status: Status::internal(format!("the request cannot be sent over HTTP/2: {error}")),
            progress: Progress::Unknown,
        }
    }

    /// Something that does not speak gRPC answered, such as a proxy without a backend; `None` for a
    /// response that may be one of gRPC's.
    pub(super) fn of_http<T>(response: &http::Response<T>, address: &Address) -> Option<Self> {
        let http = response.status();
        if http == StatusCode::OK || response.headers().contains_key(Status::GRPC_STATUS) {
            return None;
        }
        Some(Self {
            status: Status::new(
                code_of_http(http),
                format!("{address} answered HTTP {http}"),
            ),
            progress: Progress::Unknown,
        })
    }

    /// The stream was opened and then failed; `given_up` as in [`status`].
    pub(super) fn of_stream(
        error: &h2::Error,
        address: &Address,
        given_up: Option<&Disconnect>,
    ) -> Self {
        let progress = match error.reason() {
            // Without an error h2 fails only the streams after the last one that the peer names.
            Some(h2::Reason::NO_ERROR) if error.is_remote() && error.is_go_away() => {
                Progress::Drained
            }
            Some(_) if error.is_remote() && error.is_go_away() => Progress::Refused,
            Some(h2::Reason::REFUSED_STREAM) if error.is_remote() => Progress::Refused,
            _ => Progress::Unknown,
        };
        Self {
            status: status(error, address, given_up),
            progress,
        }
    }
}

/// The status of a failed stream, as gRPC's [HTTP/2 mapping] says.
///
/// A lost connection is UNAVAILABLE whatever took it; a reset stream has the code that the peer's
/// error code stands for. `given_up` tells why this side closed the connection, if it did; h2 knows
/// only that it is closed.
///
/// [HTTP/2 mapping]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors
pub(super) fn status(
    error: &h2::Error,
    address: &Address,
    given_up: Option<&Disconnect>,
) -> Status {
    let reason = match error.reason() {
        Some(reason) if error.is_reset() => reason,
        _ => {
            let cause = given_up.cloned();
            let cause = cause.unwrap_or_else(|| Disconnect::from_h2(error));
            return unavailable(address, &cause);
        }
    };
    let code = match reason {
        h2::Reason::REFUSED_STREAM => Code::Unavailable,
        h2::Reason::CANCEL => Code::Cancelled,
        h2::Reason::ENHANCE_YOUR_CALM => Code::ResourceExhausted,
        h2::Reason::INADEQUATE_SECURITY => Code::PermissionDenied,
        _ => Code::Internal,
    };
    let name = code_name(reason);
    Status::new(code, format!("{address} reset the stream: {name}"))
}

/// What an HTTP status stands for, as gRPC's [HTTP mapping] says.
///
/// [HTTP mapping]: https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
fn code_of_http(status: StatusCode) -> Code {
    match status {
        StatusCode::BAD_REQUEST => Code::Internal,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::Unimplemented,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Code::Unavailable,
        _ => Code::Unknown,
    }
}

fn unavailable(address: &Address, cause: &Disconnect) -> Status {
    let mut status = Status::unavailable(format!("{address}: {cause}"));
    status.set_source(std::sync::Arc::new(cause.clone()));
    status
}
