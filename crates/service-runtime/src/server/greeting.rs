//! Whether a peer has said its first word of HTTP/2.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The length of what every client says first (RFC 9113, section 3.4).
const PREFACE: usize = 24;

/// What TLS begins with (the type of a handshake record; RFC 8446, section 5.1), and HTTP/2 does not.
const HANDSHAKE: u8 = 22;

pin_project! {
    /// A stream that counts its first bytes.
    #[derive(Debug)]
    pub(super) struct Counted<T> {
        #[pin]
        inner: T,
        greeting: Greeting,
        greeted: bool,
    }
}

/// What has been heard so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Greeting(Arc<Heard>);

#[derive(Debug, Default)]
struct Heard {
    bytes: AtomicUsize,
    is_tls: AtomicBool,
}

// === impl Counted ===

impl<T> Counted<T> {
    pub(super) fn new(inner: T) -> (Self, Greeting) {
        let greeting = Greeting::default();
        let counted = Self {
            inner,
            greeting: greeting.clone(),
            greeted: false,
        };
        (counted, greeting)
    }
}

impl<T: AsyncRead> AsyncRead for Counted<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        let before = buf.filled().len();
        let result = ready!(this.inner.poll_read(cx, buf));
        if !*this.greeted {
            this.greeting.hear(&buf.filled()[before..]);
            *this.greeted = this.greeting.is_complete();
        }
        Poll::Ready(result)
    }
}

impl<T: AsyncWrite> AsyncWrite for Counted<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write_vectored(cx, bufs)
    }
}

// === impl Greeting ===

impl Greeting {
    /// Whether there was as much as a client has to say before anything else.
    pub(super) fn is_complete(&self) -> bool {
        self.0.bytes.load(Ordering::Relaxed) >= PREFACE
    }

    /// Whether it was TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.0.is_tls.load(Ordering::Relaxed)
    }

    fn hear(&self, bytes: &[u8]) {
        let before = self.0.bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        if before == 0 && bytes.first() == Some(&HANDSHAKE) {
            self.0.is_tls.store(true, Ordering::Relaxed);
        }
    }
}
