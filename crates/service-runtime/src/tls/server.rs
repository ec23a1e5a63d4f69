//! The TLS of a listener: its settings, and what they make of the files.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use serde::{Deserialize, Serialize};

use super::files::Contents;
use super::reload::{LoadError, Loaded, Source};
use super::{ALPN, MinimumVersion, Reloader, provider};
use crate::settings::Violations;

/// Whether and how the listener speaks TLS.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `"off"` is plaintext, `"tls"` proves the server to its clients, and `"mtls"` also asks every
    /// client for a certificate.
    pub mode: Mode,
    /// The certificate chain, leaf first (PEM).
    pub certificate: PathBuf,
    /// Its private key (PEM).
    pub private_key: PathBuf,
    /// The authorities whose clients are let in (PEM); for `"mtls"`.
    pub client_ca: PathBuf,
    /// `"1.3"`, or `"1.2"` for clients that cannot speak it.
    pub minimum_version: MinimumVersion,
}

/// What is asked of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Plaintext.
    #[default]
    Off,
    /// The server has a certificate.
    Tls,
    /// The client has one as well.
    Mtls,
}

// === impl Config ===

impl Config {
    /// Checks what the types cannot.
    pub fn validate(&self, violations: &mut Violations) {
        let given = |path: &PathBuf| !path.as_os_str().is_empty();
        let tls = self.mode != Mode::Off;
        violations.expect(
            !tls || given(&self.certificate),
            "certificate",
            "the path of a PEM file, since mode is not \"off\"",
        );
        violations.expect(
            !tls || given(&self.private_key),
            "private_key",
            "the path of a PEM file, since mode is not \"off\"",
        );
        let mutual = self.mode == Mode::Mtls;
        violations.expect(
            !mutual || given(&self.client_ca),
            "client_ca",
            "the path of a PEM file, since mode is \"mtls\"",
        );
        violations.expect(
            mutual || !given(&self.client_ca),
            "client_ca",
            "nothing, since only mode \"mtls\" asks clients for a certificate",
        );
    }

    /// Reads the files, and again whenever they change; `None` for plaintext. Must be called on a
    /// tokio runtime.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn load(&self) -> Result<Option<Reloader<ServerConfig>>, LoadError> {
        if self.mode == Mode::Off {
            return Ok(None);
        }
        Reloader::start("tls", self.clone()).map(Some)
    }
}

impl Source for Config {
    type Output = ServerConfig;

    fn paths(&self) -> Vec<PathBuf> {
        let mut paths = vec![self.certificate.clone(), self.private_key.clone()];
        if self.mode == Mode::Mtls {
            paths.push(self.client_ca.clone());
        }
        paths
    }

    fn build(&self, files: &[Contents]) -> Result<Loaded<ServerConfig>, LoadError> {
        let [chain, key, authorities @ ..] = files else {
            return Err(LoadError::Incomplete);
        };
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(self.minimum_version.versions())
            .map_err(LoadError::Rejected)?;
        let builder = match authorities {
            [] => builder.with_no_client_auth(),
            [authorities, ..] => {
                let roots = Arc::new(authorities.roots()?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
                builder.with_client_cert_verifier(verifier.build().map_err(LoadError::Verifier)?)
            }
        };
        let (certificates, not_after) = chain.identity()?;
        let mut config = builder
            .with_single_cert(certificates, key.private_key()?)
            .map_err(LoadError::Rejected)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Connections last, so that resumption saves little; without it every connection proves its
        // peer anew, against the authorities and the clock of its moment.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Loaded {
            value: config,
            not_after: Some(not_after),
        })
    }
}

// === impl Mode ===

/// What is spoken, for the log: plaintext, tls or mtls.
impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "plaintext",
            Self::Tls => "tls",
            Self::Mtls => "mtls",
        })
    }
}
