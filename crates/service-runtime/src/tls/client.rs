//! The TLS of a client: whom it trusts, and who it is.

use std::path::PathBuf;

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};

use super::files::Contents;
use super::reload::{LoadError, Loaded, Source};
pub use super::server::IdentitySource;
use super::{ALPN, MinimumVersion, Reloader, provider};
use crate::settings::Violations;

/// Whether and how a client speaks TLS.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether connections are made by TLS.
    pub enabled: bool,
    /// Where this client's identity and the authorities come from: `"files"`, or `"spiffe"` for the
    /// SPIFFE Workload API.
    pub source: IdentitySource,
    /// Where the Workload API is, as `unix:///PATH` or `tcp://ADDRESS:PORT`; for source `"spiffe"`.
    pub spiffe_endpoint: String,
    /// The authorities that are trusted (PEM). There is no default: who calls a service of its own
    /// organisation trusts that organisation's authority and no other.
    pub ca: PathBuf,
    /// The client's own certificate chain, leaf first (PEM), for servers that ask for one.
    pub certificate: PathBuf,
    /// Its private key (PEM).
    pub private_key: PathBuf,
    /// The name that the server's certificate must have, where it is not the host of the target.
    pub server_name: String,
    /// `"1.3"`, or `"1.2"` for servers that cannot speak it.
    pub minimum_version: MinimumVersion,
}

/// A chain, until when it is valid, and its key.
type Identity = (
    Vec<CertificateDer<'static>>,
    Timestamp,
    PrivateKeyDer<'static>,
);

// === impl Config ===

impl Config {
    /// Checks what the types cannot.
    pub fn validate(&self, violations: &mut Violations) {
        let given = |path: &PathBuf| !path.as_os_str().is_empty();
        let spiffe = self.source == IdentitySource::Spiffe;
        violations.expect(
            !self.enabled || spiffe || given(&self.ca),
            "ca",
            "the path of a PEM file, since TLS is enabled",
        );
        for (path, name) in [(&self.ca, "ca"), (&self.certificate, "certificate")] {
            violations.expect(
                !spiffe || !given(path),
                name,
                "nothing, since source is \"spiffe\"",
            );
        }
        violations.expect(
            !spiffe || cfg!(feature = "workload-api"),
            "source",
            "\"files\", since this program was built without the feature workload-api",
        );
        violations.expect(
            !(spiffe && self.enabled && self.spiffe_endpoint.is_empty()),
            "spiffe_endpoint",
            "unix:///PATH of the Workload API, since source is \"spiffe\"",
        );
        violations.expect(
            given(&self.certificate) == given(&self.private_key),
            if given(&self.certificate) {
                "private_key"
            } else {
                "certificate"
            },
            "the path of a PEM file, since a certificate and its key belong together",
        );
        let unused =
            spiffe || given(&self.ca) || given(&self.certificate) || !self.server_name.is_empty();
        violations.expect(
            self.enabled || !unused,
            "enabled",
            "true, since other settings of TLS are given",
        );
    }

    /// Waits for the identity and the authorities, wherever they come from; `None` for plaintext. They
    /// are replaced whenever their source replaces them. Cancel-safe.
    ///
    /// # Errors
    /// When a file cannot be used, or the Workload API gives nothing within half a minute.
    pub async fn identity(&self) -> Result<Option<Reloader<ClientConfig>>, LoadError> {
        #[cfg(feature = "workload-api")]
        if self.enabled && self.source == IdentitySource::Spiffe {
            return super::workload::client(self.clone()).await.map(Some);
        }
        std::future::ready(self.load()).await
    }

    /// Reads the files, and again whenever they change; `None` for plaintext. Must be called on a
    /// tokio runtime.
    ///
    /// # Errors
    /// When a file cannot be used, or the identity comes from elsewhere.
    pub fn load(&self) -> Result<Option<Reloader<ClientConfig>>, LoadError> {
        if !self.enabled {
            return Ok(None);
        }
        if self.source != IdentitySource::Files {
            return Err(LoadError::NotFiles);
        }
        Reloader::start("tls", self.clone()).map(Some)
    }
}

impl Config {
    pub(super) fn assemble(
        &self,
        authorities: RootCertStore,
        identity: Option<Identity>,
    ) -> Result<Loaded<ClientConfig>, LoadError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(self.minimum_version.versions())
            .map_err(LoadError::Rejected)?
            .with_root_certificates(authorities);
        let (mut config, not_after) = match identity {
            Some((chain, not_after, key)) => {
                let config = builder
                    .with_client_auth_cert(chain, key)
                    .map_err(LoadError::Rejected)?;
                (config, Some(not_after))
            }
            None => (builder.with_no_client_auth(), None),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Loaded {
            value: config,
            not_after,
        })
    }
}

impl Source for Config {
    type Output = ClientConfig;

    fn paths(&self) -> Vec<PathBuf> {
        let mut paths = vec![self.ca.clone()];
        if !self.certificate.as_os_str().is_empty() {
            paths.extend([self.certificate.clone(), self.private_key.clone()]);
        }
        paths
    }

    fn build(&self, files: &[Contents]) -> Result<Loaded<ClientConfig>, LoadError> {
        let [authorities, identity @ ..] = files else {
            return Err(LoadError::Incomplete);
        };
        let identity = match identity {
            [chain, key] => {
                let (certificates, not_after) = chain.identity()?;
                Some((certificates, not_after, key.private_key()?))
            }
            _ => None,
        };
        self.assemble(authorities.roots()?, identity)
    }
}
