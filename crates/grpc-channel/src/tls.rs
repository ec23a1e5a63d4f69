//! TLS for a channel: a `rustls` configuration that can be replaced while the channel runs.
//!
//! Certificates are replaced more often than processes are started. A new connection takes the
//! configuration of its moment; a connection that lives keeps the one it was made with, so replacing
//! it fails no call.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::Error;
use crate::transport::{Disconnect, Plain, TlsFailure};

/// The only protocol that gRPC speaks (RFC 7301's name for HTTP/2 over TLS).
const ALPN: &[u8] = b"h2";

/// How a channel speaks TLS, for [`Builder::tls`](crate::Builder::tls).
///
/// The peer's certificate must be for the host of the target that the peer belongs to, without its
/// final dot, and never for the address of a replica; the same name is sent as SNI. The peer must
/// agree to HTTP/2 by ALPN. What goes wrong is a [`TlsFailure`].
///
/// Clones share the configuration: keep one to [`swap`](Self::swap) it.
///
/// ```
/// # use std::sync::Arc;
/// use grpc_channel::{Channel, Tls};
/// use rustls::{ClientConfig, RootCertStore};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// # let (authorities, newer_authorities) = (RootCertStore::empty(), RootCertStore::empty());
/// let provider = Arc::new(rustls::crypto::ring::default_provider());
/// let config = |roots: RootCertStore| {
///     ClientConfig::builder_with_provider(provider.clone())
///         .with_safe_default_protocol_versions()
///         .map(|config| config.with_root_certificates(roots).with_no_client_auth())
/// };
/// let tls = Tls::new(config(authorities)?);
/// let channel = Channel::builder("dns:///echo.example.com:443").tls(tls.clone());
/// tls.swap(config(newer_authorities)?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tls {
    config: Arc<ArcSwap<ClientConfig>>,
    server_name: Option<String>,
}

/// What a subchannel needs to make a connection secure.
#[derive(Clone)]
pub(crate) struct Handshake {
    config: Arc<ArcSwap<ClientConfig>>,
    name: ServerName<'static>,
}

// === impl Tls ===

impl Tls {
    /// TLS as `config` says. Its ALPN protocols are replaced by `h2`.
    #[must_use]
    pub fn new(config: ClientConfig) -> Self {
        Self {
            config: Arc::new(ArcSwap::from_pointee(for_http2(config))),
            server_name: None,
        }
    }

    /// Uses `config` for every connection that is made from now on. Those that are there live on.
    ///
    /// A configuration that was made from scratch shares no session tickets with the one before, so
    /// that the first new connection proves the peer's identity anew.
    pub fn swap(&self, config: ClientConfig) {
        self.config.store(Arc::new(for_http2(config)));
    }

    /// Sends and verifies this name (a DNS name or an IP address) instead of the target's host. The
    /// `:authority` of calls stays the target's.
    ///
    /// A name that is not valid is an error of [`Builder::connect`](crate::Builder::connect).
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// For connections to a target with this host.
    pub(crate) fn handshake(self, host: &str) -> Result<Handshake, Error> {
        let name = self.server_name.as_deref().unwrap_or(host);
        let name = server_name(name).ok_or_else(|| {
            Error::setting(
                "tls",
                "a DNS name or an IP address as the target's host or the server name",
            )
        })?;
        Ok(Handshake {
            config: self.config,
            name,
        })
    }
}

impl fmt::Debug for Tls {
    /// The configuration may hold a private key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

fn for_http2(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![ALPN.to_vec()];
    config
}

/// A host as an authority writes it: IPv6 addresses stand in brackets there, and certificates know
/// neither those nor a final dot.
fn server_name(host: &str) -> Option<ServerName<'static>> {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if let Some(address) = bare {
        return address.parse().ok().map(IpAddr::V6).map(ServerName::from);
    }
    let relative = host.strip_suffix('.').unwrap_or(host);
    ServerName::try_from(relative.to_owned()).ok()
}

// === impl Handshake ===

impl Handshake {
    /// Makes `socket` secure, with the configuration of this moment.
    pub(crate) async fn secure(&self, socket: Plain) -> Result<TlsStream<Plain>, Disconnect> {
        let connector = TlsConnector::from(self.config.load_full());
        let stream = connector
            .connect(self.name.clone(), socket)
            .await
            .map_err(|error| {
                TlsFailure::during_handshake(&error)
                    .map_or_else(|| Disconnect::from_io(&error), Disconnect::tls)
            })?;
        let negotiated = stream.get_ref().1.alpn_protocol();
        if negotiated != Some(ALPN) {
            return Err(Disconnect::tls(TlsFailure::NoHttp2));
        }
        Ok(stream)
    }
}

impl fmt::Debug for Handshake {
    /// As [`Tls`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_for_the_bare_host() {
        for (host, expected) in [
            ("echo.test", "echo.test"),
            ("echo.test.", "echo.test"),
            ("10.0.0.1", "10.0.0.1"),
            ("[::1]", "::1"),
        ] {
            let name = server_name(host).unwrap();
            assert_eq!(name.to_str(), expected, "{host}");
        }
        for host in ["", ".", "na me", "[echo]"] {
            assert_eq!(server_name(host), None, "{host:?} is no name");
        }
    }
}
