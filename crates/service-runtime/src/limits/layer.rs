//! The layer that holds calls to the limits. It is inside of the guard, so that it knows the caller.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;
use tower_service::Service;

use super::messages::Measured;
use super::{Inner, Limit, Limits, Place, deadline};
use crate::auth::layer::Refused;
use crate::layers::refused::OrRefused;

/// The layer's service.
#[derive(Clone, Debug)]
pub struct Limited<S> {
    inner: S,
    limits: Limits,
}

pin_project! {
    /// The layer's future.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Option<F>,
        #[pin]
        clock: Clock,
        place: Option<Place>,
        refusal: Option<(Limit, Status)>,
    }
}

pin_project! {
    /// The layer's response body: it has the call's place, and the same deadline.
    pub struct ResponseBody<B> {
        #[pin]
        inner: Option<B>,
        #[pin]
        clock: Clock,
        place: Option<Place>,
    }
}

pin_project! {
    /// Tells when a call's time is over.
    struct Clock {
        at: Option<Instant>,
        // Whose time it is: the server's, if the limits are here; otherwise the caller's.
        limits: Option<Arc<Inner>>,
        #[pin]
        sleep: Option<Sleep>,
    }
}

/// The access log says by which limit.
fn refused<B>(limit: Limit, status: Status) -> Response<OrRefused<B>> {
    let mut response = OrRefused::refused(status);
    response.extensions_mut().insert(Refused(limit.reason()));
    response
}

// === impl Limited ===

impl<S> Limited<S> {
    pub(crate) fn new(inner: S, limits: Limits) -> Self {
        Self { inner, limits }
    }
}

impl<S, B, R> Service<Request<B>> for Limited<S>
where
    S: Service<Request<Measured<B>>, Response = Response<R>>,
{
    type Response = Response<OrRefused<ResponseBody<R>>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (place, refusal) = match self.limits.admit(&request) {
            Ok(place) => (place, None),
            Err(refusal) => (None, Some(refusal)),
        };
        let clock = Clock::of(&request, place.as_ref());
        let inner = refusal.is_none().then(|| {
            let limits = self.limits.0.clone();
            self.inner
                .call(request.map(|body| Measured::new(body, limits)))
        });
        ResponseFuture {
            inner,
            clock,
            place,
            refusal,
        }
    }
}

// === impl ResponseFuture ===

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<OrRefused<ResponseBody<R>>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            // A future is not polled after its end.
            let over = || (Limit::Deadline, Status::cancelled("the call is over"));
            let (limit, status) = this.refusal.take().unwrap_or_else(over);
            return Poll::Ready(Ok(refused(limit, status)));
        };
        if let Poll::Ready(response) = inner.poll(cx) {
            let clock = this.clock.hand_over();
            let place = this.place.take();
            return Poll::Ready(Ok(response?.map(|inner| {
                OrRefused::answered(ResponseBody {
                    inner: Some(inner),
                    clock,
                    place,
                })
            })));
        }
        let status = ready!(this.clock.poll(cx));
        // The handler stops here, and what it holds is free.
        this.inner.set(None);
        this.place.take();
        Poll::Ready(Ok(refused(Limit::Deadline, status)))
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
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(frame) = inner.poll_frame(cx) {
            return Poll::Ready(frame);
        }
        let status = ready!(this.clock.poll(cx));
        this.inner.set(None);
        this.place.take();
        let mut trailers = HeaderMap::new();
        let added = status.add_header(&mut trailers).is_ok();
        Poll::Ready(added.then(|| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let none = || SizeHint::with_exact(0);
        self.inner.as_ref().map_or_else(none, Body::size_hint)
    }
}

// === impl Clock ===

impl Clock {
    /// The earlier one of the caller's deadline and the server's.
    fn of<B>(call: &Request<B>, place: Option<&Place>) -> Self {
        let asked_for = deadline::asked_for(call.headers());
        let longest = place.and_then(|it| it.running.longest(call.uri().path()));
        let is_ours = match (asked_for, longest) {
            (Some(asked_for), Some(longest)) => longest < asked_for,
            (asked_for, _) => asked_for.is_none(),
        };
        let time = if is_ours { longest } else { asked_for };
        Self {
            at: time.and_then(|time| Instant::now().checked_add(time)),
            limits: place.filter(|_| is_ours).map(|it| it.running.inner.clone()),
            sleep: None,
        }
    }

    /// The same, for the rest of the call.
    fn hand_over(self: Pin<&mut Self>) -> Self {
        let this = self.project();
        Self {
            at: *this.at,
            limits: this.limits.take(),
            sleep: None,
        }
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Status> {
        let mut this = self.project();
        let Some(at) = *this.at else {
            return Poll::Pending;
        };
        // Most calls are answered before anybody waits, and need no timer.
        if this.sleep.is_none() {
            this.sleep.set(Some(sleep_until(at)));
        }
        if let Some(sleep) = this.sleep.as_pin_mut() {
            ready!(sleep.poll(cx));
        }
        let limit = Limit::Deadline;
        Poll::Ready(match this.limits {
            Some(limits) => limits.hit(limit, super::SOON),
            None => limit.status(super::SOON),
        })
    }
}
