//! Who is at the other end of a connection, as its certificate says.
//!
//! Only verified certificates get here: `rustls` has checked the chain against the client
//! authorities before a connection has a [`Peer`].

use rustls::pki_types::CertificateDer;
use spiffe::SpiffeId;

use super::certificate::{Facts, NotACertificate};

/// The identity of a peer, from the subject alternative names of its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its DNS names.
    pub dns_names: Vec<String>,
    /// Its [SPIFFE ID], `spiffe://trust-domain/ns/…/sa/…`. A certificate with more than one URI has
    /// none, as the X.509-SVID specification says (section 2), nor has one whose URI is malformed.
    ///
    /// [SPIFFE ID]: https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md
    pub spiffe_id: Option<SpiffeId>,
}

// === impl Peer ===

impl Peer {
    /// Reads the leaf of a chain that was verified.
    ///
    /// # Errors
    /// When it is no X.509 certificate, which a verified one always is.
    pub fn of(leaf: &CertificateDer<'_>) -> Result<Self, NotACertificate> {
        let Facts {
            dns_names, uris, ..
        } = Facts::of(leaf)?;
        let spiffe_id = match &uris[..] {
            [uri] => SpiffeId::new(uri).ok(),
            _ => None,
        };
        Ok(Self {
            dns_names,
            spiffe_id,
        })
    }
}
