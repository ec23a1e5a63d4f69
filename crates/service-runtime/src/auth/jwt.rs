//! JSON Web Tokens (RFC 7519) as bearers: `authorization: Bearer …` (RFC 6750).

pub mod fetch;
mod keys;
pub(super) mod published;
mod schedule;
mod verify;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::Guard;
use http::HeaderMap;
use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm as JwtAlgorithm, Validation, decode, decode_header};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use zeroize::Zeroizing;

use self::fetch::Fetcher;
pub use self::keys::KeysError;
use self::keys::{Keys, Reader};
use self::published::Published;
use super::caller::{Caller, Principal};
use super::memory::Verified;
use super::recent::Recent;
use super::refusal::{Cause, Refusal};
use super::reload::Reloaded;
use super::{Checked, Error, LONGEST_CREDENTIALS, scheme};
use crate::settings::Violations;

/// How long a token is remembered at the most; its `exp` is checked besides.
const LONGEST: Duration = Duration::from_hours(1);

/// Which tokens are accepted.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The file with the keys of the issuer, a JSON Web Key Set (RFC 7517). It is read again when it
    /// changes. Either this or `jwks_url`.
    pub jwks: PathBuf,
    /// Where the issuer publishes its key set, by HTTPS. It is fetched again and again. Plain HTTP is
    /// for this host alone, unless `fetch.insecure_plaintext` says otherwise.
    pub jwks_url: String,
    /// How it is fetched.
    pub fetch: fetch::Config,
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
    /// How many verified tokens are remembered until they expire, at about 1 KiB each; each connection remembers its
    /// last one besides. 0 remembers none of them.
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
    keys: Source,
    validation: Arc<Validation>,
}

/// Where the keys come from.
#[derive(Clone)]
enum Source {
    File(Arc<Reloaded<Keys>>),
    Url(Published),
}

/// Why a token is not accepted.
enum Rejected {
    /// It is not worth a second look.
    For(Cause),
    /// Its key is not there; a newer set may have it.
    UnknownKey,
}

type Claims = BTreeMap<String, Value>;

/// For the log.
const NO_KEY: Cause = "no key fits kid and alg";

// === impl Config ===

impl Config {
    pub(super) fn validate(&self, violations: &mut Violations) {
        let file = !self.jwks.as_os_str().is_empty();
        let url = !self.jwks_url.is_empty();
        violations.expect(
            file != url,
            "jwks",
            "the path of a JSON Web Key Set, or else jwks_url, and not both",
        );
        if url {
            let accepted = fetch::accepted(&self.jwks_url, self.fetch.insecure_plaintext);
            violations.expect(
                accepted.is_some(),
                "jwks_url",
                "https://HOST/… without a name, a password or a fragment; http:// only for this host, \
                 or with fetch.insecure_plaintext",
            );
            violations.expect(
                !self.algorithms.contains(&Algorithm::Hs256),
                "algorithms",
                "no HS256, since a secret that is published is none",
            );
            violations.section("fetch", |it| self.fetch.validate(it));
        }
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
            jwks_url: String::new(),
            fetch: fetch::Config::default(),
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
    pub(super) fn start(config: &Config) -> Result<Self, Error> {
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
            keys: Source::start(config, reader)?,
            validation: Arc::new(validation),
        })
    }

    /// How it is with keys that are published; `None` when they come from a file.
    pub(super) fn published(&self) -> Option<Published> {
        match &self.keys {
            Source::File(_) => None,
            Source::Url(published) => Some(published.clone()),
        }
    }

    /// Looks whether the call has a token, and verifies it: at most a tenth of a millisecond, unless a
    /// newer set of keys has to be waited for.
    pub(super) fn check(
        &self,
        headers: &HeaderMap,
        now: Timestamp,
        recent: &mut Recent,
    ) -> Checked {
        let Some(token) = scheme(headers, "bearer") else {
            return Checked::NotMine;
        };
        if token.len() > LONGEST_CREDENTIALS {
            return Checked::Refused(Refusal::Invalid("the token is too long"));
        }
        let keys = self.keys.current();
        if let Some(caller) = recent.recall(&keys.memory, token, now) {
            return Checked::Known(caller);
        }
        match self.recall_or_verify(&keys, token, now) {
            Ok(verified) => {
                recent.remember(&keys.memory, token, verified.clone());
                Checked::Known(verified.caller)
            }
            Err(Rejected::For(cause)) => Checked::Refused(Refusal::Invalid(cause)),
            Err(Rejected::UnknownKey) => match &self.keys {
                Source::Url(published) => self.clone().wait_for_key(published, token),
                Source::File(_) => Checked::Refused(Refusal::Invalid(NO_KEY)),
            },
        }
    }

    fn wait_for_key(self, published: &Published, token: &[u8]) -> Checked {
        let Some(newer) = published.newer() else {
            return Checked::Refused(self.without_key());
        };
        let token = Zeroizing::new(token.to_vec());
        Checked::Later(Box::pin(async move {
            newer.await;
            match self.recall_or_verify(&self.keys.current(), &token, Timestamp::now()) {
                Ok(verified) => Ok(verified.caller),
                Err(Rejected::For(cause)) => Err(Refusal::Invalid(cause)),
                Err(Rejected::UnknownKey) => Err(self.without_key()),
            }
        }))
    }

    /// Nothing can be said of tokens while there are no keys at all.
    fn without_key(&self) -> Refusal {
        if self.keys.current().is_empty() {
            Refusal::NoKeys
        } else {
            Refusal::Invalid(NO_KEY)
        }
    }

    fn recall_or_verify(
        &self,
        keys: &Keys,
        token: &[u8],
        now: Timestamp,
    ) -> Result<Verified, Rejected> {
        let mark = keys.memory.mark(&[token]);
        if let Some(verified) = keys.memory.recall(&mark, now) {
            return Ok(verified);
        }
        let (caller, expiry) = self.verify(keys, token)?;
        let until = expiry.min(now.checked_add(LONGEST).unwrap_or(now));
        let verified = Verified { caller, until };
        keys.memory.remember(&mark, verified.clone());
        Ok(verified)
    }

    fn verify(&self, keys: &Keys, token: &[u8]) -> Result<(Caller, Timestamp), Rejected> {
        let header = decode_header(token).map_err(|error| cause(error.kind()))?;
        // RFC 7515, section 4.1.11: what is critical and not understood is refused.
        if header.crit.is_some() {
            return Err(Rejected::For("a critical header is not understood"));
        }
        let kid = header.kid.as_deref();
        let Some(key) = keys.find(kid, header.alg) else {
            let unknown = keys.is_empty() || kid.is_some_and(|kid| !keys.knows(kid));
            return Err(if unknown {
                Rejected::UnknownKey
            } else {
                Rejected::For(NO_KEY)
            });
        };
        let mut validation = (*self.validation).clone();
        validation.algorithms = vec![header.alg];
        let token = decode::<Claims>(token, key, &validation).map_err(|it| cause(it.kind()))?;
        Ok(caller(&token.claims)?)
    }
}

// === impl Source ===

impl Source {
    fn start(config: &Config, reader: Reader) -> Result<Self, Error> {
        if config.jwks_url.is_empty() {
            let file = Reloaded::start("token keys", &config.jwks, reader);
            return Ok(Self::File(Arc::new(file.map_err(Error::Keys)?)));
        }
        let url = fetch::accepted(&config.jwks_url, config.fetch.insecure_plaintext);
        let fetcher = Fetcher {
            url: url.ok_or(Error::KeysUrl)?,
            config: config.fetch.clone(),
        };
        Ok(Self::Url(Published::start(fetcher, reader)?))
    }

    fn current(&self) -> Guard<Arc<Keys>> {
        match self {
            Self::File(file) => file.current(),
            Self::Url(published) => published.current(),
        }
    }
}

// === impl Rejected ===

impl From<Cause> for Rejected {
    fn from(cause: Cause) -> Self {
        Self::For(cause)
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
