//! What a certificate says about itself.

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use x509_parser::error::X509Error;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The part of a certificate that identities and expiry need (RFC 5280).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// Its DNS names (subject alternative names).
    pub dns_names: Vec<String>,
    /// Its URIs (subject alternative names), as they stand there.
    pub uris: Vec<String>,
}

/// It is no X.509 certificate.
#[derive(Debug, thiserror::Error)]
#[error("it is not an X.509 certificate")]
pub struct NotACertificate(#[source] Box<dyn std::error::Error + Send + Sync>);

// === impl Facts ===

impl Facts {
    /// Reads a certificate. Nothing is verified.
    ///
    /// # Errors
    /// When it is not one.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, NotACertificate> {
        let (_, certificate) = X509Certificate::from_der(certificate)
            .map_err(|error| NotACertificate(Box::new(error)))?;
        let invalid = |error: X509Error| NotACertificate(Box::new(error));
        let names = certificate.subject_alternative_name().map_err(invalid)?;
        let names = names.map(|extension| &extension.value.general_names);
        let (mut dns_names, mut uris) = (Vec::new(), Vec::new());
        for name in names.into_iter().flatten() {
            match name {
                GeneralName::DNSName(name) => dns_names.push((*name).to_owned()),
                GeneralName::URI(uri) => uris.push((*uri).to_owned()),
                _ => {}
            }
        }
        let validity = certificate.validity();
        let at = |time: x509_parser::time::ASN1Time| {
            Timestamp::from_second(time.timestamp())
                .map_err(|error| NotACertificate(Box::new(error)))
        };
        Ok(Self {
            not_before: at(validity.not_before)?,
            not_after: at(validity.not_after)?,
            dns_names,
            uris,
        })
    }
}
