//! Per-RPC credentials: what every call proves its caller by, beside the certificate of its
//! connection.

use std::io;
use std::path::{Path, PathBuf};

use grpc_channel::Builder;
use grpc_channel::credentials::{BasicCredentials, BearerTokenFile, InvalidBasicCredentials};
use serde::{Deserialize, Serialize};
use service_runtime::settings::{Secret, Violations};

/// The one setting that must not stand in an argument, where every process of the machine sees it.
pub const PASSWORD: &str = "credentials.basic_password";

/// A name and a password, a token, or nothing.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The name for the Basic scheme.
    pub basic_name: String,
    /// Its password; from the environment or the file with settings, not from an argument.
    pub basic_password: Secret,
    /// A file with the password instead, which is read at the start; a line end after it is left out.
    pub basic_password_file: PathBuf,
    /// A file with a bearer token, such as a projected service account token. It is read again and
    /// again, so that a token that was replaced is used within a second.
    pub bearer_token_file: PathBuf,
    /// Whether they are sent over plaintext too, where whoever listens can use them afterwards.
    pub insecure_over_plaintext: bool,
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// See the source.
    #[error("the password file {} cannot be read", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// See the source.
    #[error("the name or the password cannot be sent")]
    Basic(#[source] InvalidBasicCredentials),
}

// === impl Config ===

impl Config {
    /// Checks what the types cannot; `secure` tells whether connections are made by TLS.
    pub fn validate(&self, secure: bool, violations: &mut Violations) {
        let given = |path: &Path| !path.as_os_str().is_empty();
        let basic = !self.basic_name.is_empty();
        let passwords = usize::from(!self.basic_password.expose().is_empty())
            + usize::from(given(&self.basic_password_file));
        violations.expect(
            basic || passwords == 0,
            "basic_name",
            "the name that the password belongs to",
        );
        violations.expect(
            !basic || passwords == 1,
            "basic_password_file",
            "a file with the password of basic_name, or else basic_password, and not both",
        );
        let bearer = given(&self.bearer_token_file);
        violations.expect(
            !(basic && bearer),
            "bearer_token_file",
            "nothing beside basic_name: a call carries one or the other",
        );
        violations.expect(
            secure || self.insecure_over_plaintext || !(basic || bearer),
            "insecure_over_plaintext",
            "true, or tls.enabled = true: without TLS whoever listens can use the credentials",
        );
    }

    /// Makes a channel send them.
    ///
    /// # Errors
    /// When the password cannot be read or sent.
    pub(crate) fn apply(&self, mut builder: Builder) -> Result<Builder, Error> {
        if !self.basic_name.is_empty() {
            let password = self.password()?;
            let basic = BasicCredentials::new(&self.basic_name, password.expose());
            builder = builder.credentials(basic.map_err(Error::Basic)?);
        } else if !self.bearer_token_file.as_os_str().is_empty() {
            builder = builder.credentials(BearerTokenFile::new(&self.bearer_token_file));
        }
        if self.insecure_over_plaintext {
            builder = builder.allow_credentials_over_plaintext_insecurely();
        }
        Ok(builder)
    }

    fn password(&self) -> Result<Secret, Error> {
        let path = &self.basic_password_file;
        if path.as_os_str().is_empty() {
            return Ok(self.basic_password.clone());
        }
        let mut text = std::fs::read_to_string(path).map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?;
        let end = text.trim_end_matches(['\r', '\n']).len();
        text.truncate(end);
        Ok(text.into())
    }
}
