//! PEM files: certificates, private keys, authorities.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::certificate::Facts;
use super::reload::LoadError;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not PEM.
    #[error("{} is not PEM", path.display())]
    Pem {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// It is PEM and holds something else.
    #[error("{} holds no {expected}", path.display())]
    Missing {
        /// Which file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// It holds a certificate that is none.
    #[error("certificate {number} of {} cannot be used", path.display())]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Which one in it, counted from 1.
        number: usize,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A file as it was read. It may hold a key, so it is wiped and never shown.
#[derive(PartialEq, Eq)]
pub(super) struct Contents {
    path: PathBuf,
    bytes: Zeroizing<Vec<u8>>,
}

// === impl Contents ===

impl Contents {
    pub(super) fn read(path: &Path) -> Result<Self, FileError> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self {
                path: path.to_owned(),
                bytes: Zeroizing::new(bytes),
            }),
            Err(source) => Err(FileError::Read {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// A chain of certificates, the leaf first.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, FileError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        let certificates = certificates.map_err(|error| self.not_pem(error))?;
        if certificates.is_empty() {
            return Err(self.missing("certificate (-----BEGIN CERTIFICATE-----)"));
        }
        Ok(certificates)
    }

    /// A chain of certificates of which the leaf is somebody's identity, and until when that is valid.
    pub(super) fn identity(&self) -> Result<(Vec<CertificateDer<'static>>, Timestamp), LoadError> {
        let chain = self.certificates()?;
        // There is at least one.
        let leaf = chain.first().ok_or(LoadError::Incomplete)?;
        let facts = Facts::of(leaf).map_err(|error| self.certificate(1, error))?;
        if facts.not_after < Timestamp::now() {
            return Err(LoadError::Expired {
                path: self.path.clone(),
                not_after: facts.not_after,
            });
        }
        Ok((chain, facts.not_after))
    }

    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, FileError> {
        match PrivateKeyDer::from_pem_slice(&self.bytes) {
            Ok(key) => Ok(key),
            Err(pem::Error::NoItemsFound) => Err(self.missing(
                "private key (-----BEGIN PRIVATE KEY-----, or the PKCS#1 and SEC1 forms of it)",
            )),
            Err(error) => Err(self.not_pem(error)),
        }
    }

    /// The authorities that are trusted.
    pub(super) fn roots(&self) -> Result<RootCertStore, FileError> {
        let mut roots = RootCertStore::empty();
        for (certificate, number) in self.certificates()?.into_iter().zip(1..) {
            roots
                .add(certificate)
                .map_err(|error| self.certificate(number, error))?;
        }
        Ok(roots)
    }

    pub(super) fn certificate(
        &self,
        number: usize,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> FileError {
        FileError::Certificate {
            path: self.path.clone(),
            number,
            source: error.into(),
        }
    }

    fn not_pem(&self, source: pem::Error) -> FileError {
        FileError::Pem {
            path: self.path.clone(),
            source,
        }
    }

    fn missing(&self, expected: &'static str) -> FileError {
        FileError::Missing {
            path: self.path.clone(),
            expected,
        }
    }
}
