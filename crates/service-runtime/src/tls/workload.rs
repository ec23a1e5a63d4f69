//! An identity from the SPIFFE Workload API, which an agent on the node serves and replaces long before
//! it expires.
//!
//! The certificate is the workload's default X.509-SVID, and the clients that are let in are those of
//! its own trust domain; federated trust domains are not. Certificates of SPIRE have no DNS names
//! unless the workload's entry has them, and clients that verify a server by its name need one.

use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig};
use spiffe::X509Source;

use super::certificate::Facts;
use super::reload::{LoadError, Reloader};
use super::server::{Config, Material, Mode};

/// How long the first identity may take. An agent that has just started attests the workload first.
const PATIENCE: Duration = Duration::from_secs(30);

/// The Workload API has said something that is no identity.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("there is no X.509-SVID for this workload")]
    NoSvid,
    #[error("there is no bundle of the trust domain {0}")]
    NoBundle(String),
}

/// Waits for the first identity, and follows it.
pub(super) async fn start(config: Config) -> Result<Reloader<ServerConfig>, LoadError> {
    let source = X509Source::builder()
        .endpoint(&config.spiffe_endpoint)
        .initial_sync_timeout(PATIENCE)
        .build()
        .await
        .map_err(unusable)?;
    let mut updates = source.updated();
    let loaded = config.assemble(material(&source, config.mode)?)?;
    Ok(Reloader::with("tls", loaded, |publisher| async move {
        // It ends only when the source is closed, which nobody else can do.
        while updates.changed().await.is_ok() {
            let material = material(&source, config.mode);
            publisher.publish(material.and_then(|material| config.assemble(material)));
        }
    }))
}

/// What the source has at this moment, all of it of one answer.
fn material(source: &X509Source, mode: Mode) -> Result<Material, LoadError> {
    let context = source.x509_context().map_err(unusable)?;
    let svid = context
        .default_svid()
        .ok_or_else(|| unusable(Unusable::NoSvid))?;
    let der = |bytes: &[u8]| CertificateDer::from(bytes.to_vec());
    let facts = Facts::of(&der(svid.leaf().as_bytes())).map_err(unusable)?;
    let authorities = match mode {
        Mode::Mtls => {
            let domain = svid.spiffe_id().trust_domain();
            let bundle = context
                .bundle_set()
                .get(domain)
                .ok_or_else(|| unusable(Unusable::NoBundle(domain.to_string())))?;
            let mut roots = RootCertStore::empty();
            for authority in bundle.authorities() {
                let authority = der(authority.as_bytes());
                roots.add(authority).map_err(unusable)?;
            }
            Some(roots)
        }
        Mode::Off | Mode::Tls => None,
    };
    let key = PrivatePkcs8KeyDer::from(svid.private_key().as_bytes().to_vec());
    Ok(Material {
        chain: svid
            .cert_chain()
            .iter()
            .map(|it| der(it.as_bytes()))
            .collect(),
        not_after: facts.not_after,
        key: PrivateKeyDer::Pkcs8(key),
        authorities,
    })
}

fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> LoadError {
    LoadError::Workload(Box::new(error))
}
