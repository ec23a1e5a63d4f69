//! Follows every call to its end, whatever that is, and tells the [access log](super::access_log), the
//! [metrics](super::metrics) and the [spans](super::spans) what its caller saw.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use opentelemetry::ContextGuard;
use pin_project_lite::pin_project;
use tonic::{Code, Status};
use tower_service::Service;

use super::access_log::Line;
use super::caller::Known;
use super::metrics::{Calls, Started};
use super::spans::{CallSpan, Messages, Spans};

/// The layer's service.
#[derive(Clone, Debug)]
pub struct Observed<S> {
    inner: S,
    calls: Option<Calls>,
    spans: Option<Spans>,
}

pin_project! {
    /// The layer's request body; its caller is gone when it fails.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        inner: B,
        known: Known,
        messages: Option<Messages>,
    }
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
        messages: Option<Messages>,
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
    known: Known,
    line: Option<Line>,
    measured: Option<Started>,
    span: Option<CallSpan>,
}

/// What passes, for a call that is a stream and has a span.
fn look(messages: &mut Option<Messages>, frame: &Frame<Bytes>) {
    if let (Some(messages), Some(data)) = (messages, frame.data_ref()) {
        messages.read(data);
    }
}

/// The code that headers or trailers carry.
fn code(headers: &HeaderMap) -> Option<Code> {
    headers
        .get(Status::GRPC_STATUS)
        .map(|value| Code::from_bytes(value.as_bytes()))
}

// === impl Observed ===

impl<S> Observed<S> {
    pub(super) fn new(inner: S, calls: Option<Calls>, spans: Option<Spans>) -> Self {
        Self {
            inner,
            calls,
            spans,
        }
    }
}

impl<S, B, R> Service<Request<B>> for Observed<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let known = Known::default();
        let (calls, spans) = (self.calls.as_ref(), self.spans.as_ref());
        let record = Record::new(&mut request, calls, spans, known.clone());
        let messages = record.span().and_then(CallSpan::received);
        let request = request.map(|inner| RequestBody {
            inner,
            known,
            messages,
        });
        ResponseFuture {
            // What is to be in the call's trace happens when this is polled.
            inner: self.inner.call(request),
            record,
        }
    }
}

// === impl RequestBody ===

impl<B: Body<Data = Bytes>> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => look(this.messages, frame),
            Some(Err(_)) => this.known.leave(),
            None => {}
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

// === impl ResponseFuture ===

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let entered = this.record.enter();
        let polled = this.inner.poll(cx);
        drop(entered);
        let response = ready!(polled)?;
        let mut record = Record {
            call: this.record.call.take(),
        };
        record.learn(&response);
        let messages = record.span().and_then(CallSpan::sent);
        // A failure without messages has its status in the headers, and no trailers.
        if let Some(code) = code(response.headers()) {
            record.finish(code);
        }
        Poll::Ready(Ok(response.map(|inner| ResponseBody {
            inner,
            record,
            messages,
        })))
    }
}

// === impl ResponseBody ===

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let entered = this.record.span().and_then(CallSpan::enter_stream);
        let polled = this.inner.poll_frame(cx);
        drop(entered);
        let frame = ready!(polled);
        match &frame {
            Some(Ok(frame)) => {
                look(this.messages, frame);
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
    fn new<B>(
        request: &mut Request<B>,
        calls: Option<&Calls>,
        spans: Option<&Spans>,
        known: Known,
    ) -> Self {
        let span = spans.and_then(|spans| spans.start(request));
        let line = Line::of(request, span.as_ref(), &known);
        let measured = calls.map(|calls| calls.start(request.uri().path()));
        let observed = line.is_some() || measured.is_some() || span.is_some();
        let call = observed.then(|| Call {
            start: Instant::now(),
            known,
            line,
            measured,
            span,
        });
        Self { call }
    }

    fn span(&self) -> Option<&CallSpan> {
        self.call.as_ref().and_then(|call| call.span.as_ref())
    }

    /// What runs while the guard lives belongs to the call's trace.
    fn enter(&self) -> Option<ContextGuard> {
        self.span().map(CallSpan::enter)
    }

    /// What only the layers inside know.
    fn learn<R>(&mut self, response: &Response<R>) {
        let Some(call) = &mut self.call else { return };
        if let Some(line) = &mut call.line {
            line.learn(response, &call.known);
        }
    }

    fn finish(&mut self, code: Code) {
        let Some(call) = self.call.take() else { return };
        let after = call.start.elapsed();
        let code = if call.known.has_left() {
            Code::Cancelled
        } else {
            code
        };
        if let Some(measured) = call.measured {
            measured.finish(code, after);
        }
        if let Some(line) = call.line {
            line.write(code, after, &call.known, call.span.as_ref());
        }
        if let Some(span) = call.span {
            span.finish(code);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.finish(Code::Cancelled);
    }
}
