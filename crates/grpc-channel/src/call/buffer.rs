//! How much all calls of a channel together keep so that they can be sent again (gRFC [A6], "memory
//! management").
//!
//! [A6]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The limits of what is kept, and what is kept at this moment.
#[derive(Debug)]
pub(crate) struct Buffer {
    per_call: usize,
    per_channel: usize,
    kept: AtomicUsize,
}

/// One call's part of it, which ends with it.
#[derive(Debug)]
pub(crate) struct Kept {
    buffer: Arc<Buffer>,
    bytes: usize,
}

// === impl Buffer ===

impl Buffer {
    /// The limits in bytes.
    pub(crate) fn new(per_call: usize, per_channel: usize) -> Self {
        Self {
            per_call,
            per_channel,
            kept: AtomicUsize::new(0),
        }
    }

    /// The part of a call that keeps nothing yet.
    pub(crate) fn begin(self: &Arc<Self>) -> Kept {
        Kept {
            buffer: self.clone(),
            bytes: 0,
        }
    }
}

// === impl Kept ===

impl Kept {
    /// Whether so many bytes more may be kept. If they may not, nothing is counted for this call any
    /// more: it is committed and keeps nothing.
    pub(crate) fn keep(&mut self, bytes: usize) -> bool {
        let buffer = &self.buffer;
        self.bytes += bytes;
        // Relaxed: the sum orders nothing but itself.
        let before = buffer.kept.fetch_add(bytes, Ordering::Relaxed);
        let fits = self.bytes <= buffer.per_call && before + bytes <= buffer.per_channel;
        if !fits {
            self.release();
        }
        fits
    }

    /// Nothing is kept any more.
    pub(crate) fn release(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if bytes > 0 {
            self.buffer.kept.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_and_a_channel_have_limits_and_what_ends_gives_back() {
        let buffer = Arc::new(Buffer::new(10, 15));
        let mut first = buffer.begin();
        assert!(first.keep(10), "the limit itself may be kept");
        let mut second = buffer.begin();
        assert!(!second.keep(6), "16 bytes are more than the channel's 15");
        drop(first);
        assert!(second.keep(6), "what has ended keeps nothing");
        assert!(!second.keep(5), "11 bytes are more than the call's 10");
        drop(second);
        assert_eq!(buffer.kept.load(Ordering::Relaxed), 0);
    }
}
