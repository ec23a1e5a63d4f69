//! The TLS of a client: whom it trusts, and who it is.

use std::path::PathBuf;

use rustls::ClientConfig;
use serde::{Deserialize, Serialize};

use super::files::Contents;
use super::reload::{LoadError, Loaded, Source};
use super::{ALPN, MinimumVersion, Reloader, provider};
use crate::settings::Violations;

/// Whether and how a client speaks TLS.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether connections are made by TLS.
    pub enabled: bool,
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

// === impl Config ===

impl Config {
    /// Checks what the types cannot.
    pub fn validate(&self, violations: &mut Violations) {
        let given = |path: &PathBuf| !path.as_os_str().is_empty();
        violations.expect(
            !self.enabled || given(&self.ca),
            "ca",
            "the path of a PEM file, since TLS is enabled",
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
        let unused = given(&self.ca) || given(&self.certificate) || !self.server_name.is_empty();
        violations.expect(
            self.enabled || !unused,
            "enabled",
            "true, since other settings of TLS are given",
        );
    }

    /// Reads the files, and again whenever they change; `None` for plaintext. Must be called on a
    /// tokio runtime.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn load(&self) -> Result<Option<Reloader<ClientConfig>>, LoadError> {
        if !self.enabled {
            return Ok(None);
        }
        Reloader::start("tls", self.clone()).map(Some)
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
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(self.minimum_version.versions())
            .map_err(LoadError::Rejected)?
            .with_root_certificates(authorities.roots()?);
        let (mut config, not_after) = match identity {
            [chain, key] => {
                let (certificates, not_after) = chain.identity()?;
                let config = builder
                    .with_client_auth_cert(certificates, key.private_key()?)
                    .map_err(LoadError::Rejected)?;
                (config, Some(not_after))
            }
            _ => (builder.with_no_client_auth(), None),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Loaded {
            value: config,
            not_after,
        })
    }
}
