//! A certificate authority, and certificates with the defects that a test wants, as files and as
//! `rustls` configurations.

use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// Signs certificates.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub(super) struct Identity {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug)]
pub(super) enum Validity {
    Current,
    Over,
    Future,
    /// Now, but most of its time is over.
    Nearly,
}

// === impl Authority ===

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub(super) fn issue(&self, name: &str, validity: Validity) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        match validity {
            Validity::Current => {}
            Validity::Over => params.not_after = date_time_ymd(2020, 1, 1),
            Validity::Future => params.not_before = date_time_ymd(4_000, 1, 1),
            Validity::Nearly => {
                // Of fifty years or more one or two are left.
                params.not_before = date_time_ymd(1_975, 1, 1);
                params.not_after = date_time_ymd(soon().into(), 1, 1);
            }
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity { certificate, key }
    }

    pub(super) fn write(&self, file: &Path) {
        std::fs::write(file, self.0.pem()).unwrap();
    }

    /// A server that takes only clients whom this authority knows.
    pub(super) fn mutual(&self, identity: &Identity) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = service_runtime::tls::provider();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        identity.server_with(Some(verifier.build().unwrap()))
    }
}

// === impl Identity ===

impl Identity {
    /// A server that takes every client.
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        self.server_with(None)
    }

    fn server_with(
        &self,
        verifier: Option<Arc<dyn rustls::server::danger::ClientCertVerifier>>,
    ) -> Arc<ServerConfig> {
        let provider = service_runtime::tls::provider();
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match verifier {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(verifier),
        };
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let chain = vec![self.certificate.der().clone()];
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    }

    pub(super) fn write(&self, certificate: &Path, key: &Path) {
        std::fs::write(certificate, self.certificate.pem()).unwrap();
        std::fs::write(key, self.key.serialize_pem()).unwrap();
    }
}

/// The year at whose beginning a certificate of [`Validity::Nearly`] ends.
pub(super) fn soon() -> i16 {
    jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .year()
        + 2
}
