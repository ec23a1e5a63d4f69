//! Keys and JSON Web Tokens for the callers of the bench.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::Error;

/// The `iss` of the tokens.
pub(super) const ISSUER: &str = "bench";

/// Their `aud`.
pub(super) const AUDIENCE: &str = "records";

/// How long they are good: longer than any run.
const VALIDITY: u64 = 24 * 3600;

/// The keys of an issuer.
pub(super) struct Issuer {
    secret: [u8; 32],
    pair: Ed25519KeyPair,
}

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Hs256,
    EdDsa,
}

// === impl Issuer ===

impl Issuer {
    pub(super) fn new() -> Result<Self, Error> {
        let random = SystemRandom::new();
        let mut secret = [0; 32];
        random.fill(&mut secret).map_err(|_| Error::Randomness)?;
        let document = Ed25519KeyPair::generate_pkcs8(&random).map_err(|_| Error::Randomness)?;
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|_| Error::Randomness)?;
        Ok(Self { secret, pair })
    }

    /// A JSON Web Key Set of both keys.
    pub(super) fn key_set(&self) -> String {
        let secret = URL_SAFE_NO_PAD.encode(self.secret);
        let point = URL_SAFE_NO_PAD.encode(self.pair.public_key());
        serde_json::json!({"keys": [
            {"kty": "oct", "kid": "hs", "alg": "HS256", "use": "sig", "k": secret},
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "alg": "EdDSA", "use": "sig", "x": point},
        ]})
        .to_string()
    }

    /// A token that may read and write.
    pub(super) fn token(&self, algorithm: Algorithm) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let expiry = now.unwrap_or_default().as_secs() + VALIDITY;
        let (alg, kid) = match algorithm {
            Algorithm::Hs256 => ("HS256", "hs"),
            Algorithm::EdDsa => ("EdDSA", "ed"),
        };
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!(
            "{}.{}",
            part(serde_json::json!({"alg": alg, "typ": "JWT", "kid": kid})),
            part(serde_json::json!({
                "iss": ISSUER, "aud": AUDIENCE, "sub": "load", "exp": expiry, "scope": "read write",
            })),
        );
        let signature = match algorithm {
            Algorithm::Hs256 => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
                URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()))
            }
            Algorithm::EdDsa => URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes())),
        };
        format!("{signed}.{signature}")
    }
}

// === impl Algorithm ===

impl Algorithm {
    /// The file with its token.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Hs256 => "hs256.token",
            Self::EdDsa => "eddsa.token",
        }
    }
}
