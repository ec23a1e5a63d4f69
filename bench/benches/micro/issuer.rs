//! Who issues the tokens of the calls: the keys, and the settings by which the guard accepts them.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use service_runtime::auth::jwt;

/// Whoever reads them learns nothing: they are made for nobody.
const SECRET: [u8; 32] = [7; 32];

/// How a token is signed.
#[derive(Clone, Copy)]
pub enum Algorithm {
    Hs256,
    EdDsa,
}

/// The keys of an issuer.
pub struct Issuer {
    pair: Ed25519KeyPair,
}

// === impl Issuer ===

impl Issuer {
    pub fn new() -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&SECRET).expect("a seed has 32 bytes");
        Self { pair }
    }

    /// Writes the key set into `folder`, and says how the guard reads it.
    pub fn settings(&self, folder: &Path) -> jwt::Config {
        let secret = URL_SAFE_NO_PAD.encode(SECRET);
        let point = URL_SAFE_NO_PAD.encode(self.pair.public_key());
        let keys = serde_json::json!({"keys": [
            {"kty": "oct", "kid": "hs", "alg": "HS256", "use": "sig", "k": secret},
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "alg": "EdDSA", "use": "sig", "x": point},
        ]});
        let jwks = folder.join("keys.json");
        std::fs::write(&jwks, keys.to_string()).expect("the folder is ours");
        jwt::Config {
            jwks,
            issuer: "bench".to_owned(),
            audience: "records".to_owned(),
            algorithms: vec![jwt::Algorithm::Hs256, jwt::Algorithm::EdDsa],
            ..jwt::Config::default()
        }
    }

    /// A token of the length that `cargo xtask bench` sends; every subject has another one.
    pub fn token(&self, algorithm: Algorithm, subject: u32) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let expiry = now.expect("1970 is over").as_secs() + 24 * 3600;
        let (alg, kid) = match algorithm {
            Algorithm::Hs256 => ("HS256", "hs"),
            Algorithm::EdDsa => ("EdDSA", "ed"),
        };
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!(
            "{}.{}",
            part(serde_json::json!({"alg": alg, "typ": "JWT", "kid": kid})),
            part(serde_json::json!({
                "iss": "bench", "aud": "records", "sub": format!("load-{subject:04}"),
                "exp": expiry, "scope": "read write",
            })),
        );
        let signature = match algorithm {
            Algorithm::Hs256 => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &SECRET);
                URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()))
            }
            Algorithm::EdDsa => URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes())),
        };
        format!("{signed}.{signature}")
    }
}
