//! Turns a panic in a handler, or in the stream that it returned, into INTERNAL. Without it the
//! caller sees a reset stream, and cannot tell a defect from a broken network.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Status;
use tower_service::Service;

/// What the caller is told; the panic's own text is only logged.
const MESSAGE: &str = "the server failed while it handled the call";

/// The layer's service.
#[derive(Clone, Debug)]
pub struct CatchPanic<S> {
    inner: S,
}

pin_project! {
    /// The layer's future.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        // None when the handler panicked before it returned a future.
        #[pin]
        inner: Option<F>,
    }
}

pin_project! {
    /// The layer's response body.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        // None when it panicked.
        #[pin]
        inner: Option<B>,
    }
}

fn internal() -> Status {
    Status::internal(MESSAGE)
}

fn log(panic: &(dyn Any + Send)) {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message");
    tracing::error!(panic = message, "a handler panicked");
}

// === impl CatchPanic ===

impl<S> CatchPanic<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B, R> Service<Request<B>> for CatchPanic<S>
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
        // The service is a clone for this call only; nothing sees the state that a panic left.
        let inner = catch_unwind(AssertUnwindSafe(|| self.inner.call(request)))
            .inspect_err(|panic| log(panic.as_ref()))
            .ok();
        ResponseFuture { inner }
    }
}

// === impl ResponseFuture ===

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut inner = self.project().inner;
        let Some(future) = inner.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(failed()));
        };
        // The future is dropped when it panicked, and never polled again.
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(poll) => {
                let response = ready!(poll)?;
                Poll::Ready(Ok(response.map(|body| ResponseBody { inner: Some(body) })))
            }
            Err(panic) => {
                log(panic.as_ref());
                inner.set(None);
                Poll::Ready(Ok(failed()))
            }
        }
    }
}

fn failed<R>() -> Response<ResponseBody<R>> {
    internal()
        .into_http::<()>()
        .map(|()| ResponseBody { inner: None })
}

// === impl ResponseBody ===

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut inner = self.project().inner;
        let Some(body) = inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        // The body is dropped when it panicked, and never polled again.
        catch_unwind(AssertUnwindSafe(|| body.poll_frame(cx))).unwrap_or_else(|panic| {
            log(panic.as_ref());
            inner.set(None);
            let mut trailers = HeaderMap::new();
            Poll::Ready(
                internal()
                    .add_header(&mut trailers)
                    .is_ok()
                    .then(|| Ok(Frame::trailers(trailers))),
            )
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
