//! A certificate authority, and certificates with the defects that a test wants.

use std::sync::Arc;

use grpc_channel::Tls;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

/// Whether a certificate is valid at this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    Current,
    Over,
    Future,
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

// === impl Authority ===

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named("authority of a test")
    }

    /// One of a name; others of the same name have other keys.
    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// An identity for a name that is valid now.
    pub(crate) fn issue(&self, name: &str) -> Identity {
        self.issue_for(name, Validity::Current)
    }

    pub(crate) fn issue_for(&self, name: &str, validity: Validity) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        match validity {
            Validity::Current => {}
            Validity::Over => params.not_after = date_time_ymd(2020, 1, 1),
            Validity::Future => params.not_before = date_time_ymd(4_000, 1, 1),
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity {
            certificate: certificate.der().clone(),
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }

    /// What others have to trust.
    #[cfg(feature = "kubernetes")]
    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        self.0.der()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }

    /// A client that trusts this authority.
    pub(crate) fn client(&self, identity: Option<Identity>) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots());
        match identity {
            None => builder.with_no_client_auth(),
            Some(Identity { certificate, key }) => builder
                .with_client_auth_cert(vec![certificate], key)
                .unwrap(),
        }
    }

    /// As [`client`](Self::client), without an identity.
    pub(crate) fn tls(&self) -> Tls {
        Tls::new(self.client(None))
    }

    /// A server with an identity, for every client.
    pub(crate) fn server(identity: Identity) -> ServerConfig {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![identity.certificate], identity.key)
            .unwrap();
        with_alpn(config, &["h2"])
    }

    /// A server that takes only clients whom this authority knows.
    pub(crate) fn mutual_server(&self, identity: Identity) -> ServerConfig {
        let roots = Arc::new(self.roots());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![identity.certificate], identity.key)
            .unwrap();
        with_alpn(config, &["h2"])
    }
}

/// Makes a server offer these protocols by ALPN.
pub(crate) fn with_alpn(mut config: ServerConfig, protocols: &[&str]) -> ServerConfig {
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    config
}
