//! The byte stream under a connection: TCP or a Unix socket, plain or with TLS.
//!
//! It is an enum and no type parameter, so that a connection is one type whatever it runs over; the
//! branch it costs stands beside a system call.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use super::disconnect::Disconnect;
use crate::resolver::Address;

/// A socket without TLS.
#[derive(Debug)]
pub(crate) enum Plain {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// A socket that HTTP/2 can be spoken on.
pub(crate) enum Socket {
    Plain(Plain),
    #[cfg(feature = "tls")]
    Tls(Box<Secure>),
}

/// What ended a connection, where h2 does not know: it keeps only the words of an error.
pub(super) type Loss = Arc<OnceLock<Disconnect>>;

/// A socket with TLS, which notes what TLS said at its end.
#[cfg(feature = "tls")]
pub(crate) struct Secure {
    stream: tokio_rustls::client::TlsStream<Plain>,
    loss: Loss,
}

// === impl Plain ===

impl Plain {
    /// Connects to an address. Cancel-safe.
    pub(super) async fn connect(address: &Address) -> Result<Self, Disconnect> {
        let connected = match address {
            Address::Socket(address) => tcp(*address).await.map(Self::Tcp),
            #[cfg(unix)]
            Address::Unix(path) => UnixStream::connect(path).await.map(Self::Unix),
        };
        connected.map_err(|error| Disconnect::from_io(&error))
    }
}

async fn tcp(address: std::net::SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // A call is a few small writes; Nagle's algorithm would hold them back for each other.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Calls one method of whichever stream there is.
macro_rules! either {
    ($socket:expr, $stream:ident => $call:expr) => {
        match $socket {
            Plain::Tcp($stream) => $call,
            #[cfg(unix)]
            Plain::Unix($stream) => $call,
        }
    };
}

impl AsyncRead for Plain {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self.get_mut(), stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Plain {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        either!(self, stream => stream.is_write_vectored())
    }
}

// === impl Socket ===

#[cfg(feature = "tls")]
impl Socket {
    /// TLS that says in `loss` why it ended.
    pub(super) fn secure(stream: tokio_rustls::client::TlsStream<Plain>, loss: Loss) -> Self {
        Self::Tls(Box::new(Secure { stream, loss }))
    }
}

/// Calls one method with TLS or without it.
macro_rules! either_way {
    ($socket:expr, $stream:ident => $call:expr) => {
        match $socket {
            Socket::Plain($stream) => $call,
            #[cfg(feature = "tls")]
            Socket::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either_way!(self.get_mut(), stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        either_way!(self.get_mut(), stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either_way!(self.get_mut(), stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either_way!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either_way!(self.get_mut(), stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        either_way!(self, stream => stream.is_write_vectored())
    }
}

#[cfg(feature = "tls")]
mod secure {
    use super::{AsyncRead, AsyncWrite, Context, Disconnect, Pin, Poll, ReadBuf, Secure, io};
    use crate::transport::TlsFailure;

    // === impl Secure ===

    impl Secure {
        fn note(&self, error: &io::Error) {
            if let Some(failure) = TlsFailure::within(error) {
                // The first word of the peer explains the others.
                let _ = self.loss.set(Disconnect::tls(failure));
            }
        }

        /// A peer that refuses says why and closes; a write can find it closed before that is read.
        fn hear_last_words(&mut self, cx: &mut Context<'_>) {
            let mut nothing = [0; 1];
            let mut buf = ReadBuf::new(&mut nothing);
            if let Poll::Ready(Err(error)) = Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                self.note(&error);
            }
        }

        fn written<T>(
            &mut self,
            cx: &mut Context<'_>,
            result: Poll<io::Result<T>>,
        ) -> Poll<io::Result<T>> {
            if let Poll::Ready(Err(error)) = &result {
                self.note(error);
                self.hear_last_words(cx);
            }
            result
        }
    }

    impl AsyncRead for Secure {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let result = Pin::new(&mut self.stream).poll_read(cx, buf);
            if let Poll::Ready(Err(error)) = &result {
                self.note(error);
            }
            result
        }
    }

    impl AsyncWrite for Secure {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            let result = Pin::new(&mut self.stream).poll_write(cx, buf);
            self.written(cx, result)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            let result = Pin::new(&mut self.stream).poll_flush(cx);
            self.written(cx, result)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_shutdown(cx)
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[io::IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
            self.written(cx, result)
        }

        fn is_write_vectored(&self) -> bool {
            self.stream.is_write_vectored()
        }
    }
}
