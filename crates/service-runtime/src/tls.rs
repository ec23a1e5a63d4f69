//! TLS by `rustls`, with identities that are read from files and replaced while the process runs.
//!
//! Certificates live for hours and processes for weeks. A [`Reloader`] reads the files again when
//! they change (Kubernetes swaps a symbolic link in their directory) or on SIGHUP, and hands out what
//! it read last and could use: new connections take it, old ones live on. Files that cannot be used
//! change nothing but what [`Status`] and the log say.
//!
//! | module | what it gives |
//! |---|---|
//! | [`server`] | the settings of a listener, and its `rustls` configuration |
//! | [`client`] | the same for a client |
//! | [`peer`] | who is at the other end, as its certificate says |
//! | [`handshake`] | a socket made secure within a time and a number, or the reason why not |
//! | [`metrics`] | expiry, refused files, failed handshakes |
//!
//! There is one cryptographic provider, ring (docs/adr), and every configuration names it, so that
//! no dependency can change it.

pub mod certificate;
pub mod client;
mod files;
pub mod handshake;
pub mod metrics;
pub mod peer;
mod reload;
pub mod server;
mod trust_domain;
#[cfg(feature = "workload-api")]
mod workload;

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, SupportedProtocolVersion};
use serde::{Deserialize, Serialize};

pub use self::files::FileError;
pub use self::reload::{LoadError, Reloader, Status};

/// The only protocol that gRPC speaks (RFC 7301's name for HTTP/2 over TLS).
const ALPN: &[u8] = b"h2";

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum MinimumVersion {
    /// For peers that cannot speak a newer one.
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 and nothing else.
    #[default]
    #[serde(rename = "1.3")]
    Tls13,
}

/// The cryptography of this process.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The authorities in a PEM file, as they are now.
pub(crate) fn roots(path: &Path) -> Result<RootCertStore, FileError> {
    files::Contents::read(path)?.roots()
}

/// Makes it the one of dependencies that name none. For `main`, once, before anything else.
pub fn install_provider() {
    // It fails only when there is one already, which is then this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

// === impl MinimumVersion ===

impl MinimumVersion {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        static NEWEST_FIRST: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        match self {
            Self::Tls12 => &NEWEST_FIRST,
            Self::Tls13 => &NEWEST_FIRST[..1],
        }
    }
}
