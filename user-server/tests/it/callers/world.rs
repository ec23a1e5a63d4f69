//! What the tests of callers need: an authority, an issuer of tokens, names with passwords, and a policy.

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grpc_channel::{Builder, Channel, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use service_runtime::auth;
use service_runtime::auth::Kind;
use service_runtime::tls::server::Mode;
use user_server::settings::Settings;

use crate::access::{hash, policy};
use crate::running::{Running, settings};

/// The certificate's name that may do everything.
pub(crate) const ADMIN: &str = "spiffe://cluster.test/ns/shop/sa/admin";

/// The one that may read.
pub(crate) const READER: &str = "reader.jobs.test";

const SERVER: &str = "server.test";

/// Everything that a server and its callers have in common.
pub(crate) struct World {
    folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
    issuer: Ed25519KeyPair,
}

/// A certificate and its key, as PEM.
pub(crate) struct Identity {
    certificate: String,
    key: String,
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn issuer() -> Ed25519KeyPair {
    let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap()
}

/// The claims of a good token.
pub(crate) fn claims(scope: &str) -> Value {
    let expiry = jiff::Timestamp::now().as_second() + 600;
    json!({ "iss": "issuer", "aud": "this", "sub": "job-7", "exp": expiry, "scope": scope })
}

fn sign(issuer: &Ed25519KeyPair, kid: &str, claims: &Value) -> String {
    let header = json!({ "alg": "EdDSA", "kid": kid }).to_string();
    let message = format!("{}.{}", encode(header), encode(claims.to_string()));
    let signature = issuer.sign(message.as_bytes());
    format!("{message}.{}", encode(signature))
}

// === impl World ===

impl World {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
            authority: CertifiedIssuer::self_signed(params, key).unwrap(),
            issuer: issuer(),
        };
        world.put("ca.crt", &world.authority.pem());
        world.put_identity("tls", &world.identity(&[SERVER]));
        let passwords = format!("reader:{}\nwriter:{}\n", hash("r-secret"), hash("w-secret"));
        world.put("passwords", &passwords);
        let x = encode(world.issuer.public_key());
        let key = json!({ "kid": "k", "kty": "OKP", "crv": "Ed25519", "x": x });
        world.put("jwks", &json!({ "keys": [key] }).to_string());
        let mut policy = policy(&["reader", "writer"], &["writer"]);
        for (to, permissions) in [
            (
                "claim = { name = \"scope\", value = \"users:read\" }",
                "\"users.read\"",
            ),
            (
                "claim = { name = \"scope\", value = \"users:admin\" }",
                "\"users.write\"",
            ),
            ("san = \"*.jobs.test\"", "\"users.read\""),
            (
                &format!("san = \"{ADMIN}\""),
                "\"users.read\", \"users.write\"",
            ),
        ] {
            writeln!(
                policy,
                "[[grants]]\nto = {{ {to} }}\npermissions = [{permissions}]"
            )
            .unwrap();
        }
        world.put("policy.toml", &policy);
        world
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a whole file in the place of the one that is there.
    pub(crate) fn put(&self, name: &str, text: &str) {
        std::fs::write(self.path("new"), text).unwrap();
        std::fs::rename(self.path("new"), self.path(name)).unwrap();
    }

    pub(crate) fn put_identity(&self, name: &str, identity: &Identity) {
        self.put(&format!("{name}.crt"), &identity.certificate);
        self.put(&format!("{name}.key"), &identity.key);
    }

    pub(crate) fn settings(&self, mode: Mode, authenticators: &[Kind]) -> Settings {
        let mut settings = settings("sqlite::memory:");
        let tls = &mut settings.server.tls;
        tls.mode = mode;
        tls.certificate = self.path("tls.crt");
        tls.private_key = self.path("tls.key");
        if mode == Mode::Mtls {
            tls.client_ca = self.path("ca.crt");
        }
        let auth = &mut settings.auth;
        auth.mode = auth::Mode::Required;
        auth.authenticators = authenticators.to_vec();
        auth.policy = self.path("policy.toml");
        auth.open_reflection = true;
        auth.basic.file = self.path("passwords");
        auth.jwt.jwks = self.path("jwks");
        "issuer".clone_into(&mut auth.jwt.issuer);
        "this".clone_into(&mut auth.jwt.audience);
        settings
    }

    /// A certificate with these names: SPIFFE IDs and DNS names.
    pub(crate) fn identity(&self, names: &[&str]) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names
            .iter()
            .map(|name| {
                let text = (*name).try_into().unwrap();
                if name.starts_with("spiffe://") {
                    SanType::URI(text)
                } else {
                    SanType::DnsName(text)
                }
            })
            .collect();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// A channel to the server by TLS, with this certificate of its own.
    pub(crate) fn channel(
        &self,
        server: &Running,
        identity: Option<&Identity>,
        change: impl FnOnce(Builder) -> Builder,
    ) -> Channel {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => config.with_no_client_auth(),
            Some(Identity { certificate, key }) => {
                let chain = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                config.with_client_auth_cert(vec![chain], key).unwrap()
            }
        };
        let builder = Channel::builder(format!("ipv4:{}", server.grpc))
            .tls(Tls::new(config).server_name(SERVER));
        change(builder).connect().unwrap()
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        sign(&self.issuer, "k", claims)
    }

    /// Tokens with one defect each.
    pub(crate) fn bad_tokens(&self) -> Vec<String> {
        let with = |name: &str, value: Value| {
            let mut claims = claims("users:admin users:read");
            claims[name] = value;
            self.token(&claims)
        };
        let good = claims("users:admin users:read");
        vec![
            with("exp", json!(1)),
            with("nbf", json!(4_000_000_000_u64)),
            with("iss", json!("other")),
            with("aud", json!("other")),
            sign(&issuer(), "k", &good),
            sign(&self.issuer, "other", &good),
            "nonsense".to_owned(),
        ]
    }
}
