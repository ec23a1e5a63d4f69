//! Names the replica and its version on every response, so that spread, canaries and mirrors can be
//! seen from outside.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::InvalidHeaderValue;
use http::{HeaderName, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

/// The replica that answered.
pub const SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");

/// The version that it runs.
pub const VERSION: HeaderName = HeaderName::from_static("x-version");

/// Who answers.
#[derive(Clone, Debug)]
pub struct Identity {
    name: HeaderValue,
    version: HeaderValue,
}

/// The layer's service.
#[derive(Clone, Debug)]
pub struct Identified<S> {
    inner: S,
    identity: Identity,
}

pin_project! {
    /// The layer's future.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        identity: Option<Identity>,
    }
}

// === impl Identity ===

impl Identity {
    /// The replica's name, such as the pod's, and the version of the program.
    ///
    /// # Errors
    /// When one of them cannot be the value of a header.
    pub fn new(name: &str, version: &str) -> Result<Self, InvalidHeaderValue> {
        Ok(Self {
            name: name.parse()?,
            version: version.parse()?,
        })
    }
}

// === impl Identified ===

impl<S> Identified<S> {
    pub(super) fn new(inner: S, identity: Identity) -> Self {
        Self { inner, identity }
    }
}

impl<S, B, R> Service<Request<B>> for Identified<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ResponseFuture {
            inner: self.inner.call(request),
            // Two reference counts, no copies.
            identity: Some(self.identity.clone()),
        }
    }
}

// === impl ResponseFuture ===

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut result = ready!(this.inner.poll(cx));
        if let (Ok(response), Some(identity)) = (&mut result, this.identity.take()) {
            let headers = response.headers_mut();
            headers.insert(SERVED_BY, identity.name);
            headers.insert(VERSION, identity.version);
        }
        Poll::Ready(result)
    }
}
