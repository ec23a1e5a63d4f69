//! The body of a request: one that its caller did not finish never looks finished.
//!
//! A caller that leaves resets the stream. hyper takes a reset with `NO_ERROR`, which is how Envoy says
//! it, for the end of the body, and tonic's decoder takes one with `CANCEL` for the end of the messages.
//! A handler would then act upon half a request before hyper drops its call.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tonic::Status;

use crate::chain::Chain;

/// What arrives of a request. It ends with an error where its caller did not end it.
#[derive(Debug)]
pub struct RequestBody {
    inner: Incoming,
}

/// Nobody reads it: the caller is gone. It is not CANCELLED because tonic would hide that from handlers.
fn incomplete() -> Status {
    Status::aborted("the caller left before its request was complete")
}

// === impl RequestBody ===

impl RequestBody {
    pub(super) fn new(inner: Incoming) -> Self {
        Self { inner }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let inner = &mut self.get_mut().inner;
        let frame = ready!(Pin::new(&mut *inner).poll_frame(cx));
        Poll::Ready(match frame {
            Some(Ok(frame)) => Some(Ok(frame)),
            Some(Err(error)) => {
                tracing::debug!(error = %Chain(&error), "a request is incomplete");
                Some(Err(incomplete()))
            }
            // h2 knows END_STREAM from a reset.
            None => (!inner.is_end_stream()).then(|| Err(incomplete())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
