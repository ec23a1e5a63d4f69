//! The body of a response that may be a refusal instead of the handler's answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Status;

pin_project! {
    /// The handler's body, or none: a refusal is all headers.
    #[derive(Debug)]
    pub struct OrRefused<B> {
        #[pin]
        inner: Option<B>,
    }
}

// === impl OrRefused ===

impl<B> OrRefused<B> {
    pub(crate) fn answered(inner: B) -> Self {
        Self { inner: Some(inner) }
    }

    pub(crate) fn refused(status: Status) -> Response<Self> {
        status.into_http::<()>().map(|()| Self { inner: None })
    }
}

impl<B: Body> Body for OrRefused<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().inner.as_pin_mut() {
            Some(inner) => inner.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let none = || SizeHint::with_exact(0);
        self.inner.as_ref().map_or_else(none, Body::size_hint)
    }
}
