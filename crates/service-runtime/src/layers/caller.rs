//! Tells the [access log](super::access_log) who is calling as soon as the guard knows it, and not only
//! with the response: a call that its caller gives up has none.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use http::Request;
use tower_service::Service;

use crate::auth::Caller;

/// Where the caller is written down, once, the fault that the call met, and whether the caller has left. It
/// travels in the request's extensions; clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known(Arc<Facts>);

#[derive(Debug, Default)]
struct Facts {
    caller: OnceLock<Caller>,
    fault: OnceLock<&'static str>,
    left: AtomicBool,
}

/// The layer's service, inside of the guard.
#[derive(Clone, Debug)]
pub struct Introduced<S> {
    inner: S,
}

// === impl Known ===

impl Known {
    pub(super) fn learn(&self, caller: &Caller) {
        self.0.caller.get_or_init(|| caller.clone());
    }

    pub(super) fn caller(&self) -> Option<&Caller> {
        self.0.caller.get()
    }

    /// What goes wrong on purpose, in a word.
    pub(crate) fn learn_fault(&self, fault: &'static str) {
        self.0.fault.get_or_init(|| fault);
    }

    pub(super) fn fault(&self) -> Option<&'static str> {
        self.0.fault.get().copied()
    }

    /// The caller was gone before its request was complete: whatever is answered then, nobody is told.
    pub(super) fn leave(&self) {
        self.0.left.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_left(&self) -> bool {
        self.0.left.load(Ordering::Relaxed)
    }
}

// === impl Introduced ===

impl<S> Introduced<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B> Service<Request<B>> for Introduced<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let extensions = request.extensions();
        if let (Some(known), Some(caller)) = (extensions.get::<Known>(), extensions.get()) {
            known.learn(caller);
        }
        self.inner.call(request)
    }
}
