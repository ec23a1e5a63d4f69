//! Clients of one SPIFFE trust domain: the authority of a trust domain vouches for its own names and for
//! no other's (X.509-SVID, section 5).
//!
//! A certificate for `spiffe://other/…` that this domain's authority has signed is a mistake, or an
//! attack by one of its intermediates; rustls, which knows nothing of SPIFFE, would take it.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};
use spiffe::TrustDomain;

use super::peer::Peer;

/// Verifies a client's chain, and that it names somebody of the trust domain.
#[derive(Debug)]
pub(super) struct OfTrustDomain {
    pub(super) chain: Arc<dyn ClientCertVerifier>,
    pub(super) domain: TrustDomain,
}

/// The certificate is of another domain, or of none.
#[derive(Debug, thiserror::Error)]
#[error("expected a client with a SPIFFE ID of the trust domain {domain}")]
struct OtherDomain {
    domain: TrustDomain,
}

// === impl OfTrustDomain ===

impl ClientCertVerifier for OfTrustDomain {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chain.verify_client_cert(leaf, intermediates, now)?;
        let peer = Peer::of(leaf).map_err(|_| CertificateError::BadEncoding)?;
        let id = peer.spiffe_id;
        if id.is_some_and(|id| *id.trust_domain() == self.domain) {
            return Ok(verified);
        }
        let domain = self.domain.clone();
        let other = OtherError(Arc::new(OtherDomain { domain }));
        Err(CertificateError::Other(other).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.chain.client_auth_mandatory()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.chain.requires_raw_public_keys()
    }
}
