//! The layer that lets calls in. It sees the method's path and the whole request, before any message
//! of it is read.
//!
//! A [`Caller`] is put into the extensions of the request, for the handler and the access log; of a call
//! that is refused it is in those of the response. A call whose password has to be hashed waits in a boxed future; every
//! other one is decided at once, without an allocation.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, Request, Response, header};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::caller::Caller;
use super::recent::Recent;
use super::refusal::{Cause, Refusal};
use super::{Guard, Pending, Verdict, basic};
use crate::layers::refused::OrRefused;

/// Why a call was not let in; in the extensions of its response, for the access log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused(pub(crate) Cause);

/// The layer's service.
#[derive(Clone, Debug)]
pub struct Guarded<S> {
    inner: S,
    guard: Guard,
    /// Of the connection that this copy of the service is for.
    recent: Recent,
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
        Waiting { pending: Pending, call: Option<Box<(S, Request<B>, Guard)>> },
        Inside { #[pin] inner: F },
        Refused { refusal: Option<(Option<Caller>, Refusal)> },
    }
}

/// Whatever prints a request from now on, the credentials are not in it.
fn hide(headers: &mut HeaderMap) {
    // Each of several values, too.
    for (name, value) in headers.iter_mut() {
        if name == header::AUTHORIZATION || name == basic::PASSWORD {
            value.set_sensitive(true);
        }
    }
}

// === impl Guarded ===

impl<S> Guarded<S> {
    pub(crate) fn new(inner: S, guard: Guard) -> Self {
        let recent = Recent::default();
        Self {
            inner,
            guard,
            recent,
        }
    }
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Response = Response<OrRefused<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        hide(request.headers_mut());
        // Nothing before this layer knows callers, and nothing shall seem to.
        request.extensions_mut().remove::<Caller>();
        let verdict = self.guard.check(&request, &mut self.recent);
        let state = match verdict {
            Verdict::Open => State::Inside {
                inner: self.inner.call(request),
            },
            Verdict::LetIn(caller) => enter(&self.guard, &mut self.inner, caller, request),
            Verdict::Refused(caller, refusal) => State::Refused {
                refusal: Some((caller, refusal)),
            },
            Verdict::Later(pending) => {
                // The service that was made ready is the one that has to be called.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                State::Waiting {
                    pending,
                    // Few calls wait, and all of them are moved about.
                    call: Some(Box::new((ready, request, self.guard.clone()))),
                }
            }
        };
        ResponseFuture { state }
    }
}

/// Asks the policy, and calls the handler if it agrees.
fn enter<S, B>(
    guard: &Guard,
    service: &mut S,
    caller: Caller,
    mut request: Request<B>,
) -> State<S, B, S::Future>
where
    S: Service<Request<B>>,
{
    if let Err(refusal) = guard.authorise(&caller, request.uri().path()) {
        return State::Refused {
            refusal: Some((Some(caller), refusal)),
        };
    }
    request.extensions_mut().insert(caller);
    State::Inside {
        inner: service.call(request),
    }
}

// === impl ResponseFuture ===

impl<S, B, F, R> Future for ResponseFuture<S, B, F>
where
    S: Service<Request<B>, Response = Response<R>, Future = F>,
    F: Future<Output = Result<Response<R>, S::Error>>,
{
    type Output = Result<Response<OrRefused<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProjection::Inside { inner } => {
                    let response = ready!(inner.poll(cx))?;
                    return Poll::Ready(Ok(response.map(OrRefused::answered)));
                }
                StateProjection::Refused { refusal } => {
                    // A future is not polled after its end.
                    let (caller, refusal) = refusal.take().unwrap_or((None, Refusal::Missing));
                    let mut response = OrRefused::refused(refusal.status());
                    response.extensions_mut().insert(Refused(refusal.cause()));
                    if let Some(caller) = caller {
                        response.extensions_mut().insert(caller);
                    }
                    return Poll::Ready(Ok(response));
                }
                StateProjection::Waiting { pending, call } => {
                    let result = ready!(pending.as_mut().poll(cx));
                    match (result, call.take()) {
                        (Ok(caller), Some(call)) => {
                            let (mut service, request, guard) = *call;
                            enter(&guard, &mut service, caller, request)
                        }
                        (Err(refusal), _) => State::Refused {
                            refusal: Some((None, refusal)),
                        },
                        (Ok(_), None) => State::Refused { refusal: None },
                    }
                }
            };
            this.state.set(next);
        }
    }
}
