//! JSON Web Tokens (RFC 7519) as bearers: `authorization: Bearer …` (RFC 6750).

mod keys;
mod verify;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm as JwtAlgorithm, Validation, decode, decode_header};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::keys::KeysError;
use self::keys::{Keys, Reader};
use super::caller::{Caller, Principal};
use super::refusal::{Cause, Refusal};
use super::reload::{FileError, Reloaded};
use super::{Checked, LONGEST_CREDENTIALS, scheme};
use crate::settings::Violations;

/// Which tokens are accepted.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The file with the keys of the issuer, a JSON Web Key Set (RFC 7517). It is read again when it
    /// changes.
    pub jwks: PathBuf,
    /// The `iss` that a token must have.
    pub issuer: String,
    /// The `aud` that a token must have, alone or among others: this service's name.
    pub audience: String,
    /// The algorithms that are accepted. `"HS256"` has to be added by hand, since whoever can verify
    /// it can also issue tokens.
    pub algorithms: Vec<Algorithm>,
    /// By how much the issuer's clock may differ from this one, for `exp` and `nbf`.
    #[serde(with = "crate::settings::duration")]
    pub leeway: Duration,
    /// How many verified tokens are remembered until they expire, at about 1 KiB each.
    pub remember: u64,
}

/// A signature algorithm of JSON Web Tokens (RFC 7518, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Algorithm {
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSA (PKCS#1 v1.5) with SHA-256, of 2048 bits or more.
    #[serde(rename = "RS256")]
    Rs256,
    /// A shared secret, with SHA-256.
    #[serde(rename = "HS256")]
    Hs256,
}

/// Verifies tokens.
#[derive(Clone)]
pub(super) struct Jwt {
    keys: Arc<Reloaded<Keys>>,
    validation: Arc<Validation>,
}

type Claims = BTreeMap<String, Value>;

// === impl Config ===

impl Config {
    pub(super) fn validate(&self, violations: &mut Violations) {
        let given = !self.jwks.as_os_str().is_empty();
        violations.expect(given, "jwks", "the path of a JSON Web Key Set");
        violations.expect(!self.issuer.is_empty(), "issuer", "the iss of the tokens");
        violations.expect(
            !self.audience.is_empty(),
            "audience",
            "the aud of the tokens",
        );
        violations.expect(
            !self.algorithms.is_empty(),
            "algorithms",
            "at least one of EdDSA, ES256, RS256 and HS256",
        );
        violations.expect(
            self.leeway <= Duration::from_mins(5),
            "leeway",
            "at most 5m",
        );
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            jwks: PathBuf::new(),
            issuer: String::new(),
            audience: String::new(),
            algorithms: vec![Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256],
            leeway: Duration::from_secs(30),
            remember: 10_000,
        }
    }
}

// === impl Algorithm ===

impl From<Algorithm> for JwtAlgorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::EdDsa => Self::EdDSA,
            Algorithm::Es256 => Self::ES256,
            Algorithm::Rs256 => Self::RS256,
            Algorithm::Hs256 => Self::HS256,
        }
    }
}

// === impl Jwt ===

impl Jwt {
    pub(super) fn start(config: &Config) -> Result<Self, FileError> {
        verify::install();
        let reader = Reader {
            algorithms: config.algorithms.clone(),
            remember: config.remember,
        };
        // The algorithm is that of the key which is found, and is set with it.
        let mut validation = Validation::new(JwtAlgorithm::EdDSA);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&config.issuer]);
        validation.set_audience(&[&config.audience]);
        validation.validate_nbf = true;
        validation.leeway = config.leeway.as_secs();
        Ok(Self {
            keys: Arc::new(Reloaded::start("token keys", &config.jwks, reader)?),
            validation: Arc::new(validation),
        })
    }

    /// Looks whether the call has a token, and verifies it: at most a tenth of a millisecond.
    pub(super) fn check(&self, headers: &HeaderMap, now: Timestamp) -> Checked {
        let Some(token) = scheme(headers, "bearer") else {
            return Checked::NotMine;
        };
        if token.len() > LONGEST_CREDENTIALS {
            return Checked::Refused(Refusal::Invalid("the token is too long"));
        }
        let keys = self.keys.current();
        let mark = keys.memory.mark(&[token]);
        if let Some(caller) = keys.memory.recall(&mark, now) {
            return Checked::Known(caller);
        }
        match self.verify(&keys, token) {
            Ok((caller, expiry)) => {
                keys.memory.remember(&mark, caller.clone(), expiry);
                Checked::Known(caller)
            }
            Err(cause) => Checked::Refused(Refusal::Invalid(cause)),
        }
    }

    fn verify(&self, keys: &Keys, token: &[u8]) -> Result<(Caller, Timestamp), Cause> {
        let header = decode_header(token).map_err(|error| cause(error.kind()))?;
        // RFC 7515, section 4.1.11: what is critical and not understood is refused.
        if header.crit.is_some() {
            return Err("a critical header is not understood");
        }
        let key = keys
            .find(header.kid.as_deref(), header.alg)
            .ok_or("no key fits kid and alg")?;
        let mut validation = (*self.validation).clone();
        validation.algorithms = vec![header.alg];
        let token = decode::<Claims>(token, key, &validation).map_err(|it| cause(it.kind()))?;
        caller(&token.claims)
    }
}

fn caller(claims: &Claims) -> Result<(Caller, Timestamp), Cause> {
    // An exp that cannot be told is in the past as far as remembering goes.
    let expiry = claims.get("exp").and_then(Value::as_i64);
    let expiry = expiry.and_then(|it| Timestamp::from_second(it).ok());
    let subject = claims.get("sub").and_then(Value::as_str);
    let subject = subject.filter(|it| !it.is_empty() && !it.chars().any(char::is_control));
    let subject = subject.ok_or("the sub is empty or has control characters")?;
    let principal = Principal::Jwt {
        subject: subject.to_owned(),
        claims: claims.iter().filter_map(texts).collect(),
    };
    let expiry = expiry.unwrap_or(Timestamp::UNIX_EPOCH);
    Ok((Caller::from(principal), expiry))
}

/// A claim whose value is a text or a list of texts.
fn texts((name, value): (&String, &Value)) -> Option<(String, Vec<String>)> {
    let texts = match value {
        Value::String(text) if name == "scope" => text.split(' ').map(str::to_owned).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => {
            let texts = values.iter().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        }
        _ => return None,
    };
    Some((name.clone(), texts))
}

/// For the log.
fn cause(kind: &ErrorKind) -> Cause {
    match kind {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidIssuer => "the token has another issuer",
        ErrorKind::InvalidAudience => "the token has another audience",
        ErrorKind::InvalidSignature => "the token's signature is wrong",
        ErrorKind::InvalidAlgorithm => "the token's algorithm does not fit its key",
        ErrorKind::MissingRequiredClaim(_) => "the token lacks one of exp, iss, aud and sub",
        _ => "the token is malformed",
    }
}

#[cfg(test)]
mod tests;
