//! The certificates themselves.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};

use super::names::{LOOPBACK, Namespace};

/// Clocks differ: what is valid from now on would be refused by one that is late.
const BACKDATED: Duration = Duration::from_mins(5);

/// Signs the certificates of a run.
pub(super) struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// Whose certificate it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Of whoever listens.
    Server,
    /// Of whoever calls.
    Client,
}

/// A certificate and its private key, as PEM.
pub(super) struct Identity {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// From when until when certificates are valid.
pub(super) struct Validity {
    from: SystemTime,
    until: SystemTime,
}

// === impl Authority ===

impl Authority {
    /// A new one, with a key of its own.
    pub(super) fn new(validity: &Validity) -> Result<Self, rcgen::Error> {
        let mut params = Self::params()?;
        validity.apply(&mut params);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        Ok(Self {
            certificate,
            issuer,
        })
    }

    /// The one that an earlier run made, from the texts of its files.
    pub(super) fn open(certificate: String, key: &str) -> Result<Self, rcgen::Error> {
        let issuer = Issuer::new(Self::params()?, KeyPair::from_pem(key)?);
        Ok(Self {
            certificate,
            issuer,
        })
    }

    /// What does not differ from one run to the next.
    fn params() -> Result<CertificateParams, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = called("development authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(params)
    }

    pub(super) fn issue(
        &self,
        role: Role,
        namespace: &Namespace,
        validity: &Validity,
    ) -> Result<Identity, rcgen::Error> {
        let (account, names) = match role {
            Role::Server => ("user-server", namespace.server_names()),
            Role::Client => ("user-client", Vec::new()),
        };
        let mut params = CertificateParams::new(names)?;
        let uri = namespace.spiffe_id(account).try_into()?;
        params.subject_alt_names.push(SanType::URI(uri));
        if role == Role::Server {
            let addresses = LOOPBACK.into_iter().map(SanType::IpAddress);
            params.subject_alt_names.extend(addresses);
        }
        validity.apply(&mut params);
        params.distinguished_name = called(account);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match role {
            Role::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Role::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }

    pub(super) fn certificate(&self) -> &str {
        &self.certificate
    }

    pub(super) fn key(&self) -> String {
        self.issuer.key().serialize_pem()
    }
}

fn called(name: &str) -> DistinguishedName {
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, name);
    distinguished_name
}

// === impl Validity ===

impl Validity {
    /// From now on.
    pub(super) fn days(days: u16) -> Self {
        let now = SystemTime::now();
        Self {
            from: now - BACKDATED,
            until: now + Duration::from_hours(24) * u32::from(days),
        }
    }

    fn apply(&self, params: &mut CertificateParams) {
        params.not_before = self.from.into();
        params.not_after = self.until.into();
    }
}
