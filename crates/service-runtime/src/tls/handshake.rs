//! A handshake from the server's side, within a time and a number, or the reason why there was none.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::{CertificateError, ServerConfig};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::peer::Peer;
use super::{ALPN, Reloader};

/// Makes sockets secure. Clones share the number of handshakes.
#[derive(Clone, Debug)]
pub struct Handshakes {
    config: Reloader<ServerConfig>,
    at_once: Arc<Semaphore>,
    timeout: Duration,
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
        }
    }

    /// Makes a socket secure, with the identity of this moment, and says who is at its other end, if
    /// it has shown a certificate.
    ///
    /// # Errors
    /// See [`Failure`]; the connection is closed.
    pub async fn secure(
        &self,
        socket: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, Option<Peer>), Failure> {
        let shaking = async {
            // The semaphore is never closed.
            let _turn = self.at_once.acquire().await;
            let acceptor = TlsAcceptor::from(self.config.current());
            acceptor.accept(socket).await
        };
        let stream = match tokio::time::timeout(self.timeout, shaking).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(Failure::of(error)),
            Err(_elapsed) => return Err(Failure::Timeout(self.timeout)),
        };
        let session = stream.get_ref().1;
        if session.alpn_protocol() != Some(ALPN) {
            return Err(Failure::NoAlpn);
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

// === impl Failure ===

impl Failure {
    /// One word for metrics, of a small set.
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
            Self::Lost(_) => "lost",
        }
    }

    fn of(error: io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        let Some(tls) = inner.cloned() else {
            return Self::Lost(error);
        };
        match &tls {
            rustls::Error::NoCertificatesPresented => Self::NoCertificate,
            rustls::Error::NoApplicationProtocol => Self::NoAlpn,
            rustls::Error::InvalidMessage(_) => Self::NotTls(tls),
            rustls::Error::PeerIncompatible(_) => Self::Incompatible(tls),
            rustls::Error::AlertReceived(_) => Self::Refused(tls),
            rustls::Error::InvalidCertificate(why) => match why {
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => Self::Expired(tls),
                CertificateError::UnknownIssuer => Self::UnknownAuthority(tls),
                _ => Self::BadCertificate(tls),
            },
            _ => Self::Protocol(tls),
        }
    }
}
