//! A handshake from the server's side, within a time and a number, or the reason why there was none.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::Acceptor;
use rustls::{CertificateError, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::metrics::Metrics;
use super::peer::Peer;
use super::{ALPN, Reloader};

/// A fatal `no_application_protocol` as it stands on the wire before there are keys (RFC 8446,
/// sections 5.1 and 6; RFC 7301, section 3.2).
const NO_APPLICATION_PROTOCOL: [u8; 7] = [21, 3, 3, 0, 2, 2, 120];

/// How long a peer that was refused may take to read why, and how much it may have said meanwhile.
const LINGER: Duration = Duration::from_secs(1);
const UNHEARD: u64 = 64 << 10;

/// Makes sockets secure. Clones share the number of handshakes.
#[derive(Clone, Debug)]
pub struct Handshakes {
    config: Reloader<ServerConfig>,
    at_once: Arc<Semaphore>,
    timeout: Duration,
    metrics: Option<Metrics>,
}

/// A handshake that failed.
#[derive(Debug)]
pub struct Refusal {
    /// Why.
    pub failure: Failure,
    /// Where the peer may still be reading the reason.
    socket: Option<TcpStream>,
}

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It took too long, the wait for its turn included.
    #[error("no handshake within {0:?}")]
    Timeout(Duration),
    /// The peer speaks something else, such as plaintext.
    #[error("the peer does not speak TLS")]
    NotTls(#[source] rustls::Error),
    /// The peer speaks no version or cipher that is spoken here.
    #[error("the peer's TLS is not spoken here")]
    Incompatible(#[source] rustls::Error),
    /// The peer does not offer HTTP/2 by ALPN (RFC 9113, section 3.2).
    #[error("the peer does not offer h2 by ALPN")]
    NoAlpn,
    /// The peer has no certificate where one is asked for.
    #[error("the peer sent no certificate")]
    NoCertificate,
    /// The peer's certificate is valid no more, or not yet.
    #[error("the peer's certificate is not valid at this time")]
    Expired(#[source] rustls::Error),
    /// The peer's certificate is of another authority.
    #[error("the peer's certificate is of an unknown authority")]
    UnknownAuthority(#[source] rustls::Error),
    /// The peer's certificate is bad in another way.
    #[error("the peer's certificate is refused")]
    BadCertificate(#[source] rustls::Error),
    /// The peer refused this server's certificate, or something else.
    #[error("the peer refused the handshake")]
    Refused(#[source] rustls::Error),
    /// The protocol was broken in another way.
    #[error("the handshake failed")]
    Protocol(#[source] rustls::Error),
    /// The connection ended before the peer had said anything, as those of port probes do.
    #[error("the peer left before the handshake")]
    Left(#[source] io::Error),
    /// The connection was lost.
    #[error("the connection was lost during the handshake")]
    Lost(#[source] io::Error),
}

// === impl Handshakes ===

impl Handshakes {
    /// At most `at_once` handshakes, each of which has `timeout`.
    #[must_use]
    pub fn new(config: Reloader<ServerConfig>, at_once: usize, timeout: Duration) -> Self {
        Self {
            config,
            at_once: Arc::new(Semaphore::new(at_once)),
            timeout,
            metrics: None,
        }
    }

    /// Counts failures.
    #[must_use]
    pub fn measured(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Makes a socket secure, with the identity of this moment, and says who is at its other end, if
    /// it has shown a certificate.
    ///
    /// # Errors
    /// See [`Failure`]; the connection is closed when the [`Refusal`] is dropped.
    pub async fn secure(
        &self,
        socket: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, Option<Peer>), Refusal> {
        let shaken = tokio::time::timeout(self.timeout, self.shake(socket))
            .await
            .unwrap_or_else(|_| Err(Failure::Timeout(self.timeout).into()));
        if let (Err(refusal), Some(metrics)) = (&shaken, &self.metrics) {
            metrics.failed(&refusal.failure);
        }
        shaken
    }

    async fn shake(
        &self,
        socket: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, Option<Peer>), Refusal> {
        let mut hello = LazyConfigAcceptor::new(Acceptor::default(), socket)
            .await
            .map_err(Failure::before_hello)?;
        // Only now, so that who says nothing holds nobody's turn. The semaphore is never closed.
        let _turn = self.at_once.acquire().await;
        if hello.client_hello().alpn().is_none() {
            // rustls refuses a list without h2, but takes it that a client without a list knows
            // what it gets. The peer is told the same in both cases, if it still listens.
            let _ = hello.io.write_all(&NO_APPLICATION_PROTOCOL).await;
            return Err(Refusal {
                failure: Failure::NoAlpn,
                socket: Some(hello.io),
            });
        }
        let stream = hello
            .into_stream(self.config.current())
            .into_fallible()
            .await
            .map_err(|(error, socket)| Refusal {
                failure: Failure::after_hello(error),
                socket: Some(socket),
            })?;
        let session = stream.get_ref().1;
        if session.alpn_protocol() != Some(ALPN) {
            return Err(Failure::NoAlpn.into());
        }
        let leaf = session.peer_certificates().and_then(<[_]>::first);
        let peer = leaf.map(Peer::of).transpose().map_err(|_| {
            Failure::BadCertificate(rustls::Error::InvalidCertificate(
                CertificateError::BadEncoding,
            ))
        })?;
        Ok((stream, peer))
    }
}

// === impl Refusal ===

impl Refusal {
    /// Closes the connection once the peer has, or has had the time for it. A socket that is closed with
    /// something unread in it resets the connection, and a client that is still writing (in TLS 1.3 it
    /// believes that it was let in) then learns of that and not of the alert.
    pub async fn linger(self) {
        let Some(mut socket) = self.socket else {
            return;
        };
        let heard = async {
            socket.shutdown().await?;
            tokio::io::copy(&mut (&mut socket).take(UNHEARD), &mut tokio::io::sink()).await
        };
        // However it ends, the connection is closed.
        let _ = tokio::time::timeout(LINGER, heard).await;
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let socket = None;
        Self { failure, socket }
    }
}

// === impl Failure ===

impl Failure {
    /// Every word that [`Failure::reason`] can be.
    pub const REASONS: [&str; 12] = [
        "timeout",
        "not_tls",
        "incompatible",
        "no_alpn",
        "no_certificate",
        "expired",
        "unknown_authority",
        "bad_certificate",
        "refused",
        "protocol",
        "left",
        "lost",
    ];

    /// One word for metrics, of [`Failure::REASONS`].
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Timeout(_) => "timeout",
            Self::NotTls(_) => "not_tls",
            Self::Incompatible(_) => "incompatible",
            Self::NoAlpn => "no_alpn",
            Self::NoCertificate => "no_certificate",
            Self::Expired(_) => "expired",
            Self::UnknownAuthority(_) => "unknown_authority",
            Self::BadCertificate(_) => "bad_certificate",
            Self::Refused(_) => "refused",
            Self::Protocol(_) => "protocol",
            Self::Left(_) => "left",
            Self::Lost(_) => "lost",
        }
    }

    fn before_hello(error: io::Error) -> Self {
        match within(&error) {
            None => Self::Left(error),
            Some(tls @ rustls::Error::InvalidMessage(_)) => Self::NotTls(tls),
            Some(tls) => Self::of(tls),
        }
    }

    fn after_hello(error: io::Error) -> Self {
        match within(&error) {
            None => Self::Lost(error),
            Some(tls) => Self::of(tls),
        }
    }

    fn of(tls: rustls::Error) -> Self {
        match &tls {
            rustls::Error::NoCertificatesPresented => Self::NoCertificate,
            rustls::Error::NoApplicationProtocol => Self::NoAlpn,
            rustls::Error::PeerIncompatible(_) => Self::Incompatible(tls),
            rustls::Error::AlertReceived(_) => Self::Refused(tls),
            rustls::Error::InvalidCertificate(why) => match why {
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => Self::Expired(tls),
                // A bad signature is that of another authority of the same name.
                CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                    Self::UnknownAuthority(tls)
                }
                _ => Self::BadCertificate(tls),
            },
            _ => Self::Protocol(tls),
        }
    }
}

/// What tokio-rustls has put into an error of a socket.
fn within(error: &io::Error) -> Option<rustls::Error> {
    error.get_ref()?.downcast_ref().cloned()
}
