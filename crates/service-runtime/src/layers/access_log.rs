//! One line for every finished call: method, code (by gRPC's own name), duration, peer, caller, request
//! id, trace; and why it was refused, or which fault on purpose it met, which its caller is not told.
//!
//! The target is `access`, so that `info,access=debug` shows all of them. The level follows the code:
//! what worked is DEBUG, because a line for each of a million calls costs more than the calls; what
//! the caller got wrong is INFO; what may get better is WARN; what is a defect is ERROR.

use std::net::SocketAddr;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response};
use opentelemetry::trace::{SpanId, TraceId};
use tonic::Code;
use tonic::transport::server::TcpConnectInfo;
use tracing::Level;
use tracing::level_filters::LevelFilter;

use super::caller::Known;
use super::metrics::CODES;
use super::request_id;
use super::spans::CallSpan;
use crate::auth::Caller;
use crate::auth::layer::Refused;

/// The target of the lines.
pub const TARGET: &str = "access";

/// What a call's line says beside how it ended.
#[derive(Debug)]
pub(super) struct Line {
    method: Option<PathAndQuery>,
    peer: Option<SocketAddr>,
    request_id: Option<HeaderValue>,
    /// Also of a trace that is not sampled here: it may be elsewhere.
    trace: Option<(TraceId, SpanId)>,
    /// Known once there is a response.
    refused: Option<&'static str>,
}

/// The level of a call's line.
fn level(code: Code) -> Level {
    match code {
        Code::Ok => Level::DEBUG,
        Code::Cancelled
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented => Level::INFO,
        Code::DeadlineExceeded | Code::ResourceExhausted | Code::Unavailable => Level::WARN,
        Code::Unknown | Code::Internal | Code::DataLoss => Level::ERROR,
    }
}

// === impl Line ===

impl Line {
    /// The line of a call; `None` where not even defects are logged.
    pub(super) fn of<B>(
        request: &mut Request<B>,
        span: Option<&CallSpan>,
        known: &Known,
    ) -> Option<Self> {
        // Whether this target is shown is asked at the end: filters that can be changed are behind a lock.
        if LevelFilter::current() == LevelFilter::OFF {
            return None;
        }
        request.extensions_mut().insert(known.clone());
        Some(Self {
            method: request.uri().path_and_query().cloned(),
            peer: request
                .extensions()
                .get::<TcpConnectInfo>()
                .and_then(TcpConnectInfo::remote_addr),
            request_id: request.headers().get(request_id::HEADER).cloned(),
            trace: span.and_then(CallSpan::ids),
            refused: None,
        })
    }

    /// What only the layers inside know.
    pub(super) fn learn<R>(&mut self, response: &Response<R>, known: &Known) {
        let extensions = response.extensions();
        if let Some(caller) = extensions.get::<Caller>() {
            known.learn(caller);
        }
        self.refused = extensions.get().map(|Refused(cause)| *cause);
    }

    /// Writes it, in the trace of its call: wherever lines are sent, they are found by that.
    pub(super) fn write(
        &self,
        code: Code,
        after: Duration,
        known: &Known,
        span: Option<&CallSpan>,
    ) {
        // A level is part of an event's static description, hence one event for each.
        macro_rules! line {
            ($level:expr) => {{
                // Most calls work, and have no line that is shown.
                let _entered = tracing::enabled!(target: TARGET, $level)
                    .then(|| span.map(CallSpan::enter));
                tracing::event!(
                    target: TARGET,
                    $level,
                    method = self.method.as_ref().map(|it| it.path().trim_start_matches('/')),
                    code = CODES[code as usize],
                    duration_us = u64::try_from(after.as_micros()).unwrap_or(u64::MAX),
                    peer = self.peer.map(tracing::field::display),
                    caller = known.caller().map(tracing::field::display),
                    refused = self.refused,
                    fault = known.fault(),
                    request_id = self.request_id.as_ref().and_then(|it| it.to_str().ok()),
                    trace_id = self.trace.map(|(trace, _)| tracing::field::display(trace)),
                    span_id = self.trace.map(|(_, span)| tracing::field::display(span)),
                    "call finished"
                );
            }};
        }
        match level(code) {
            Level::ERROR => line!(Level::ERROR),
            Level::WARN => line!(Level::WARN),
            Level::INFO => line!(Level::INFO),
            _ => line!(Level::DEBUG),
        }
    }
}
