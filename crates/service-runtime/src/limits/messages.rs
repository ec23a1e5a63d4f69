//! The size of messages, looked at as they arrive: it is told before the message itself is there.
//!
//! tonic checks the same while it decodes, and answers with `OUT_OF_RANGE`; the other implementations
//! of gRPC say `RESOURCE_EXHAUSTED`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::codegen::StdError;

use super::{Inner, Limit, SOON};
use crate::framing::Framing;

pin_project! {
    /// The layer's request body.
    pub struct Measured<B> {
        #[pin]
        inner: B,
        messages: Framing,
        limits: Option<Arc<Inner>>,
    }
}

// === impl Measured ===

impl<B> Measured<B> {
    pub(super) fn new(inner: B, limits: Option<Arc<Inner>>) -> Self {
        Self {
            inner,
            messages: Framing::default(),
            limits,
        }
    }
}

impl<B: Body<Data = Bytes, Error: Into<StdError>>> Body for Measured<B> {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(cx)).map(|it| it.map_err(Into::into));
        if let (Some(limits), Some(Ok(frame))) = (this.limits, &frame)
            && let Some(data) = frame.data_ref()
            && !this
                .messages
                .read(data, |size| size <= limits.config.max_message_size)
        {
            let status = limits.hit(Limit::MessageSize, SOON);
            return Poll::Ready(Some(Err(status.into())));
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
