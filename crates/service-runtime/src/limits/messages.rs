//! The size of messages, looked at as they arrive: five bytes tell it before the message itself is
//! there (gRPC's Length-Prefixed-Message).
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

pin_project! {
    /// The layer's request body.
    pub struct Measured<B> {
        #[pin]
        inner: B,
        messages: Messages,
        limits: Option<Arc<Inner>>,
    }
}

/// Where in the sequence of messages a body is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Messages {
    /// What is left of the current message.
    left: usize,
    prefix: [u8; 5],
    /// How much of the next message's prefix has arrived.
    known: usize,
}

// === impl Measured ===

impl<B> Measured<B> {
    pub(super) fn new(inner: B, limits: Option<Arc<Inner>>) -> Self {
        Self {
            inner,
            messages: Messages::default(),
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
            && !this.messages.fit(data, limits.config.max_message_size)
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

// === impl Messages ===

impl Messages {
    /// Whether all messages that begin in this part of a body are at most so large.
    fn fit(&mut self, mut data: &[u8], largest: usize) -> bool {
        loop {
            let skipped = self.left.min(data.len());
            self.left -= skipped;
            data = &data[skipped..];
            let Some((first, rest)) = data.split_first() else {
                return true;
            };
            self.prefix[self.known] = *first;
            self.known += 1;
            data = rest;
            if self.known == self.prefix.len() {
                let [_, length @ ..] = self.prefix;
                self.known = 0;
                self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
                if self.left > largest {
                    return false;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(sizes: &[usize]) -> Vec<u8> {
        let mut body = Vec::new();
        for size in sizes {
            body.push(0);
            body.extend(u32::try_from(*size).unwrap().to_be_bytes());
            body.resize(body.len() + size, 0xff);
        }
        body
    }

    proptest! {
        /// However the network cuts a body into pieces, the same messages are in it.
        #[test]
        fn the_largest_message_decides(
            sizes in prop::collection::vec(0..200_usize, 0..8),
            piece in 1..40_usize,
            largest in 0..200_usize,
        ) {
            let mut messages = Messages::default();
            let body = body(&sizes);
            let fit = body.chunks(piece).all(|piece| messages.fit(piece, largest));
            prop_assert_eq!(fit, sizes.iter().all(|size| *size <= largest));
        }
    }
}
