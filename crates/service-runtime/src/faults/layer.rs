//! The layer in which calls meet their faults. It is the innermost one: see [`crate::layers`].
//!
//! A call without a fault is handed on at once, in a future that is no larger for it.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context as Trace, KeyValue};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tonic::Status;
use tonic::codegen::StdError;
use tower_service::Service;

use super::{Faults, Met, Then};
use crate::layers::caller::Known;

/// What the status of a call says that met a fault: nobody shall look for the cause elsewhere.
const MESSAGE: &str = "a fault that an operator has set on this replica";

/// The layer's service.
#[derive(Clone, Debug)]
pub struct Faulted<S> {
    inner: S,
    faults: Faults,
}

pin_project! {
    /// The layer's future.
    pub struct ResponseFuture<S, B, F> {
        #[pin]
        state: State<S, B, F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, F> {
        Inside { #[pin] inner: F },
        Met { held: Option<Box<Held<S, B>>> },
    }
}

/// A call that has met a fault.
struct Held<S, B> {
    met: Met,
    /// `None` before the first poll: the trace is known only then.
    sleep: Option<Pin<Box<Sleep>>>,
    service: S,
    request: Request<B>,
}

pin_project! {
    /// The layer's response body.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        // None when a fault has answered.
        #[pin]
        inner: Option<B>,
        is_cut: bool,
    }
}

/// What resets the stream.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{MESSAGE} has cut this call off")]
struct Cut;

// === impl Faulted ===

impl<S> Faulted<S> {
    pub(crate) fn new(inner: S, faults: Faults) -> Self {
        Self { inner, faults }
    }
}

impl<S, B, R> Service<Request<B>> for Faulted<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let state = match self.faults.meet(request.uri().path()) {
            None => State::Inside {
                inner: self.inner.call(request),
            },
            Some(met) => {
                // The service that was made ready is the one that has to be called.
                let clone = self.inner.clone();
                let service = mem::replace(&mut self.inner, clone);
                State::Met {
                    held: Some(Box::new(Held {
                        met,
                        sleep: None,
                        service,
                        request,
                    })),
                }
            }
        };
        ResponseFuture { state }
    }
}

// === impl Held ===

impl<S, B> Held<S, B> {
    /// Ready when the call has waited for as long as it has to.
    fn poll_delay(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self {
            met,
            sleep: slept,
            request,
            ..
        } = self;
        let delay = met.fault.delay;
        let sleep = slept.get_or_insert_with(|| {
            tell(met, request);
            Box::pin(sleep(delay))
        });
        if delay.is_zero() {
            return Poll::Ready(());
        }
        sleep.as_mut().poll(cx)
    }
}

/// Tells the access log and the trace, at once: a caller may leave before the delay is over.
fn tell<B>(met: &Met, request: &Request<B>) {
    let fault = met.fault.word();
    if let Some(known) = request.extensions().get::<Known>() {
        known.learn_fault(fault);
    }
    Trace::map_current(|trace| {
        let delay = met.fault.delay.as_secs_f64();
        let attributes = vec![
            KeyValue::new("fault", fault),
            KeyValue::new("fault.delay", delay),
        ];
        trace.span().add_event("a fault on purpose", attributes);
    });
}

// === impl ResponseFuture ===

impl<S, B, F, R> Future for ResponseFuture<S, B, F>
where
    S: Service<Request<B>, Response = Response<R>, Future = F>,
    F: Future<Output = Result<Response<R>, S::Error>>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let held = match this.state.as_mut().project() {
                StateProjection::Inside { inner } => {
                    let response = ready!(inner.poll(cx))?;
                    return Poll::Ready(Ok(response.map(ResponseBody::answered)));
                }
                StateProjection::Met { held } => {
                    if let Some(held) = held {
                        ready!(held.poll_delay(cx));
                    }
                    held.take()
                }
            };
            let then = held.as_ref().map(|held| held.met.then);
            match (then, held) {
                (Some(Then::Answer), Some(held)) => {
                    let Held {
                        mut service,
                        request,
                        ..
                    } = *held;
                    let inner = service.call(request);
                    this.state.set(State::Inside { inner });
                }
                (Some(Then::Status(code)), _) => {
                    let status = Status::new(code, MESSAGE);
                    return Poll::Ready(Ok(status
                        .into_http::<()>()
                        .map(|()| ResponseBody::none(false))));
                }
                // A future is not polled after its end.
                _ => return Poll::Ready(Ok(cut())),
            }
        }
    }
}

/// The head of an answer, after which the stream is reset.
fn cut<R>() -> Response<ResponseBody<R>> {
    let mut response = Response::new(ResponseBody::none(true));
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, grpc);
    response
}

// === impl ResponseBody ===

impl<B> ResponseBody<B> {
    fn answered(inner: B) -> Self {
        Self {
            inner: Some(inner),
            is_cut: false,
        }
    }

    fn none(is_cut: bool) -> Self {
        let inner = None;
        Self { inner, is_cut }
    }
}

impl<B: Body<Data = Bytes, Error: Into<StdError>>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let this = self.project();
        match this.inner.as_pin_mut() {
            Some(inner) => inner.poll_frame(cx).map_err(Into::into),
            None if *this.is_cut => {
                *this.is_cut = false;
                Poll::Ready(Some(Err(Cut.into())))
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        !self.is_cut && self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(inner) => inner.size_hint(),
            None if self.is_cut => SizeHint::default(),
            None => SizeHint::with_exact(0),
        }
    }
}
