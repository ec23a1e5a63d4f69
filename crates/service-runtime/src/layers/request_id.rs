//! Gives every call an `x-request-id`: the caller's own when it is sane, a new one otherwise. It is
//! in the request that the handler sees, in the response, and in the log.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;
use uuid::{Builder, fmt::Simple};

/// The header, in requests and in responses.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a caller, in bytes.
const LONGEST: usize = 128;

/// The layer's service.
#[derive(Clone, Debug)]
pub struct RequestId<S> {
    inner: S,
}

pin_project! {
    /// The layer's future.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        id: Option<HeaderValue>,
    }
}

/// A new id: 32 random hexadecimal digits.
fn new_id() -> HeaderValue {
    // It names a call and protects nothing, so that a fast generator will do.
    let id = Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid();
    let mut buffer = [0; Simple::LENGTH];
    id.simple().encode_lower(&mut buffer);
    // It is in the request, the response and the log: shared from the start, and not copied first.
    HeaderValue::from_maybe_shared(Bytes::from_owner(buffer))
        .unwrap_or(HeaderValue::from_static("none"))
}

/// Whether a caller's id can be logged and sent on as it is.
fn is_sane(id: &HeaderValue) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
}

// === impl RequestId ===

impl<S> RequestId<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B, R> Service<Request<B>> for RequestId<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let sane = request.headers().get(HEADER).filter(|id| is_sane(id));
        let id = if let Some(id) = sane {
            id.clone()
        } else {
            let id = new_id();
            request.headers_mut().insert(HEADER, id.clone());
            id
        };
        ResponseFuture {
            inner: self.inner.call(request),
            id: Some(id),
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
        if let (Ok(response), Some(mut id)) = (&mut result, this.id.take()) {
            // It never comes again: in HPACK's table it would only drive out what does (RFC 7541, 7.1.3).
            id.set_sensitive(true);
            response.headers_mut().insert(HEADER, id);
        }
        Poll::Ready(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_visible_ids_are_taken_over() {
        for (id, sane) in [
            ("req-1", true),
            ("4bf92f3577b34da6a3ce929d0e0e4736", true),
            ("", false),
            ("two words", false),
            ("tab\tbed", false),
        ] {
            assert_eq!(is_sane(&HeaderValue::from_str(id).unwrap()), sane, "{id:?}");
        }
        let long = "x".repeat(LONGEST + 1);
        assert!(!is_sane(&HeaderValue::from_str(&long).unwrap()));
        assert!(!is_sane(&HeaderValue::from_bytes(b"\xff").unwrap()));
    }

    #[test]
    fn new_ids_differ() {
        assert_ne!(new_id(), new_id());
        assert!(is_sane(&new_id()));
    }
}
