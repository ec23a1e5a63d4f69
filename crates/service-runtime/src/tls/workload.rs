//! An identity from the SPIFFE Workload API, which an agent on the node serves and replaces long before
//! it expires.
//!
//! The certificate is the workload's default X.509-SVID, and the peers that are trusted are those of its
//! own trust domain; federated trust domains are not. Certificates of SPIRE have no DNS names unless the
//! workload's entry has them, and clients that verify a server by its name need one.

use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use spiffe::{TrustDomain, X509Source};

use super::certificate::Facts;
use super::reload::{LoadError, Loaded, Reloader};
use super::server::{Material, Mode};
use super::{client, server};

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

/// Waits for a server's first identity, and follows it.
pub(super) async fn server(config: server::Config) -> Result<Reloader<ServerConfig>, LoadError> {
    let endpoint = config.spiffe_endpoint.clone();
    start(&endpoint, move |source| {
        let (mut material, domain, bundle) = material(source)?;
        if config.mode == Mode::Mtls {
            material.authorities = Some(bundle?);
            material.trust_domain = Some(domain);
        }
        config.assemble(material)
    })
    .await
}

/// Waits for a client's first identity, and follows it.
pub(super) async fn client(config: client::Config) -> Result<Reloader<ClientConfig>, LoadError> {
    let endpoint = config.spiffe_endpoint.clone();
    start(&endpoint, move |source| {
        let (material, _, bundle) = material(source)?;
        let identity = Some((material.chain, material.not_after, material.key));
        config.assemble(bundle?, identity)
    })
    .await
}

async fn start<T: Send + Sync + 'static>(
    endpoint: &str,
    make: impl Fn(&X509Source) -> Result<Loaded<T>, LoadError> + Send + 'static,
) -> Result<Reloader<T>, LoadError> {
    let source = X509Source::builder()
        .endpoint(endpoint)
        .initial_sync_timeout(PATIENCE)
        .build()
        .await
        .map_err(unusable)?;
    let mut updates = source.updated();
    let loaded = make(&source)?;
    Ok(Reloader::with("tls", loaded, |publisher| async move {
        // It ends only when the source is closed, which nobody else can do.
        while updates.changed().await.is_ok() {
            publisher.publish(make(&source));
        }
    }))
}

/// What the source has at this moment, all of it of one answer: the identity, its trust domain, and
/// whom that domain trusts.
fn material(
    source: &X509Source,
) -> Result<(Material, TrustDomain, Result<RootCertStore, LoadError>), LoadError> {
    let context = source.x509_context().map_err(unusable)?;
    let svid = context
        .default_svid()
        .ok_or_else(|| unusable(Unusable::NoSvid))?;
    let der = |bytes: &[u8]| CertificateDer::from(bytes.to_vec());
    let facts = Facts::of(&der(svid.leaf().as_bytes())).map_err(unusable)?;
    let domain = svid.spiffe_id().trust_domain();
    let bundle = context.bundle_set().get(domain);
    let bundle = bundle.ok_or_else(|| unusable(Unusable::NoBundle(domain.to_string())));
    let roots = bundle.and_then(|bundle| {
        let mut roots = RootCertStore::empty();
        for authority in bundle.authorities() {
            roots.add(der(authority.as_bytes())).map_err(unusable)?;
        }
        Ok(roots)
    });
    let key = PrivatePkcs8KeyDer::from(svid.private_key().as_bytes().to_vec());
    let chain = svid.cert_chain().iter().map(|it| der(it.as_bytes()));
    let material = Material {
        chain: chain.collect(),
        not_after: facts.not_after,
        key: PrivateKeyDer::Pkcs8(key),
        authorities: None,
        trust_domain: None,
    };
    Ok((material, domain.clone(), roots))
}

fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> LoadError {
    LoadError::Workload(Box::new(error))
}
