//! The TLS of a listener: its settings, and what they make of the files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};
use spiffe::TrustDomain;

use super::files::Contents;
use super::reload::{LoadError, Loaded, Source};
use super::trust_domain::OfTrustDomain;
use super::{ALPN, MinimumVersion, Reloader, provider};
use crate::settings::Violations;

/// Whether and how the listener speaks TLS.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `"off"` is plaintext, `"tls"` proves the server to its clients, and `"mtls"` also asks every
    /// client for a certificate.
    pub mode: Mode,
    /// `"files"`, or `"spiffe"` for the SPIFFE Workload API.
    pub source: IdentitySource,
    /// Where the Workload API is, as `unix:///PATH` or `tcp://ADDRESS:PORT`; for source `"spiffe"`.
    pub spiffe_endpoint: String,
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

/// Where the identity and the authorities come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentitySource {
    /// The files that the other settings name.
    #[default]
    Files,
    /// The SPIFFE Workload API, where the program was built with the feature `workload-api`.
    Spiffe,
}

/// What a configuration is made of, wherever it comes from.
pub(super) struct Material {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) not_after: Timestamp,
    pub(super) key: PrivateKeyDer<'static>,
    /// Whose clients are let in; `None` asks them for nothing.
    pub(super) authorities: Option<RootCertStore>,
    /// The trust domain that they vouch for; `None` where they may vouch for any name.
    pub(super) trust_domain: Option<TrustDomain>,
}

// === impl Config ===

impl Config {
    /// Checks what the types cannot.
    pub fn validate(&self, violations: &mut Violations) {
        let tls = self.mode != Mode::Off;
        let mutual = self.mode == Mode::Mtls;
        let files = tls && self.source == IdentitySource::Files;
        let spiffe = self.source == IdentitySource::Spiffe;
        for (path, name) in [
            (&self.certificate, "certificate"),
            (&self.private_key, "private_key"),
        ] {
            violations.expect(
                !files || is_given(path),
                name,
                "the path of a PEM file, since mode is not \"off\"",
            );
            violations.expect(
                !spiffe || !is_given(path),
                name,
                "nothing, since source is \"spiffe\"",
            );
        }
        violations.expect(
            !(files && mutual) || is_given(&self.client_ca),
            "client_ca",
            "the path of a PEM file, since mode is \"mtls\"",
        );
        violations.expect(
            (mutual && !spiffe) || !is_given(&self.client_ca),
            "client_ca",
            "nothing, since only mode \"mtls\" with files asks for authorities of clients",
        );
        violations.expect(
            !spiffe || cfg!(feature = "workload-api"),
            "source",
            "\"files\", since this program was built without the feature workload-api",
        );
        violations.expect(
            !(spiffe && tls && self.spiffe_endpoint.is_empty()),
            "spiffe_endpoint",
            "unix:///PATH of the Workload API, since source is \"spiffe\"",
        );
    }

    /// Waits for the identity, wherever it comes from; `None` for plaintext. It is replaced whenever
    /// its source replaces it. Cancel-safe.
    ///
    /// # Errors
    /// When a file cannot be used, or the Workload API gives nothing within half a minute.
    pub async fn identity(&self) -> Result<Option<Reloader<ServerConfig>>, LoadError> {
        #[cfg(feature = "workload-api")]
        if self.mode != Mode::Off && self.source == IdentitySource::Spiffe {
            return super::workload::server(self.clone()).await.map(Some);
        }
        std::future::ready(self.load()).await
    }

    /// Reads the files, and again whenever they change; `None` for plaintext. Must be called on a
    /// tokio runtime.
    ///
    /// # Errors
    /// When a file cannot be used, or the identity comes from elsewhere.
    pub fn load(&self) -> Result<Option<Reloader<ServerConfig>>, LoadError> {
        if self.mode == Mode::Off {
            return Ok(None);
        }
        if self.source != IdentitySource::Files {
            return Err(LoadError::NotFiles);
        }
        Reloader::start("tls", self.clone()).map(Some)
    }

    /// Reads the files as the start does, and keeps nothing of them. A certificate that has expired is
    /// the error [`LoadError::Expired`]; an identity that comes from elsewhere is not looked for.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn check(&self) -> Result<(), LoadError> {
        if self.mode == Mode::Off || self.source != IdentitySource::Files {
            return Ok(());
        }
        let paths = self.paths();
        let files: Result<Vec<_>, _> = paths.iter().map(|path| Contents::read(path)).collect();
        self.build(&files?).map(|_| ())
    }

    pub(super) fn assemble(&self, material: Material) -> Result<Loaded<ServerConfig>, LoadError> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(self.minimum_version.versions())
            .map_err(LoadError::Rejected)?;
        let builder = match material.authorities {
            None => builder.with_no_client_auth(),
            Some(roots) => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
                let verifier = verifier.build().map_err(LoadError::Verifier)?;
                builder.with_client_cert_verifier(match material.trust_domain {
                    None => verifier,
                    Some(domain) => Arc::new(OfTrustDomain {
                        chain: verifier,
                        domain,
                    }),
                })
            }
        };
        let mut config = builder
            .with_single_cert(material.chain, material.key)
            .map_err(LoadError::Rejected)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Connections last, so that resumption saves little; without it every connection proves its
        // peer anew, against the authorities and the clock of its moment.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Loaded {
            value: config,
            not_after: Some(material.not_after),
        })
    }
}

fn is_given(path: &Path) -> bool {
    !path.as_os_str().is_empty()
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
        let (chain, not_after) = chain.identity()?;
        self.assemble(Material {
            chain,
            not_after,
            key: key.private_key()?,
            authorities: authorities.first().map(Contents::roots).transpose()?,
            trust_domain: None,
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
