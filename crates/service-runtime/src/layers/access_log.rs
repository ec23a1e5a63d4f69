//! One line for every finished call: method, code, duration, peer, caller, request id; and why it was
//! refused, which its caller is not told.
//!
//! The target is `access`, so that `info,access=debug` shows all of them. The level follows the code:
//! what worked is DEBUG, because a line for each of a million calls costs more than the calls; what
//! the caller got wrong is INFO; what may get better is WARN; what is a defect is ERROR.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::transport::server::TcpConnectInfo;
use tonic::{Code, Status};
use tower_service::Service;
use tracing::Level;

use super::request_id;
use crate::auth::Caller;
use crate::auth::layer::Refused;

/// The target of the lines.
pub const TARGET: &str = "access";

/// The layer's service.
#[derive(Clone, Debug)]
pub struct AccessLog<S> {
    inner: S,
}

pin_project! {
    /// The layer's future.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        record: Record,
    }
}

pin_project! {
    /// The layer's response body; the call is finished when it is.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        record: Record,
    }
}

/// A call that is under way. Dropped before it was finished, it was cancelled.
#[derive(Debug)]
struct Record {
    call: Option<Call>,
}

#[derive(Debug)]
struct Call {
    start: Instant,
    method: Option<PathAndQuery>,
    peer: Option<SocketAddr>,
    request_id: Option<HeaderValue>,
    /// Known once there is a response.
    caller: Option<Caller>,
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

/// The code that headers or trailers carry.
fn code(headers: &HeaderMap) -> Option<Code> {
    headers
        .get(Status::GRPC_STATUS)
        .map(|value| Code::from_bytes(value.as_bytes()))
}

// === impl AccessLog ===

impl<S> AccessLog<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B, R> Service<Request<B>> for AccessLog<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let record = Record::new(&request);
        ResponseFuture {
            inner: self.inner.call(request),
            record,
        }
    }
}

// === impl ResponseFuture ===

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        let mut record = Record {
            call: this.record.call.take(),
        };
        record.learn(&response);
        // A failure without messages has its status in the headers, and no trailers.
        if let Some(code) = code(response.headers()) {
            record.finish(code);
        }
        Poll::Ready(Ok(response.map(|inner| ResponseBody { inner, record })))
    }
}

// === impl ResponseBody ===

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.record.finish(code(trailers).unwrap_or(Code::Unknown));
                }
            }
            Some(Err(_)) | None => this.record.finish(Code::Unknown),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

// === impl Record ===

impl Record {
    fn new<B>(request: &Request<B>) -> Self {
        // Whoever logs not even defects pays for nothing.
        let call = tracing::enabled!(target: TARGET, Level::ERROR).then(|| Call {
            start: Instant::now(),
            method: request.uri().path_and_query().cloned(),
            peer: request
                .extensions()
                .get::<TcpConnectInfo>()
                .and_then(TcpConnectInfo::remote_addr),
            request_id: request.headers().get(request_id::HEADER).cloned(),
            caller: None,
            refused: None,
        });
        Self { call }
    }

    /// What only the layers inside know.
    fn learn<R>(&mut self, response: &Response<R>) {
        if let Some(call) = &mut self.call {
            let extensions = response.extensions();
            call.caller = extensions.get().cloned();
            call.refused = extensions.get().map(|Refused(cause)| *cause);
        }
    }

    fn finish(&mut self, code: Code) {
        if let Some(call) = self.call.take() {
            call.log(code);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.finish(Code::Cancelled);
    }
}

// === impl Call ===

impl Call {
    fn log(&self, code: Code) {
        // A level is part of an event's static description, hence one event for each.
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    target: TARGET,
                    $level,
                    method = self.method.as_ref().map(|it| it.path().trim_start_matches('/')),
                    code = ?code,
                    duration_us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX),
                    peer = self.peer.map(tracing::field::display),
                    caller = self.caller.as_ref().map(tracing::field::display),
                    refused = self.refused,
                    request_id = self.request_id.as_ref().and_then(|it| it.to_str().ok()),
                    "call finished"
                )
            };
        }
        match level(code) {
            Level::ERROR => line!(Level::ERROR),
            Level::WARN => line!(Level::WARN),
            Level::INFO => line!(Level::INFO),
            _ => line!(Level::DEBUG),
        }
    }
}
