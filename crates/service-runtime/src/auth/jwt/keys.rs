//! The keys that tokens are verified with: a JSON Web Key Set (RFC 7517).

use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm as JwtAlgorithm, DecodingKey, DecodingKeyKind};

use super::super::memory::{Memory, NoRandomness};
use super::super::reload::Parse;
use super::Algorithm;

/// What the file says, and what was verified by it. New keys begin with nothing verified.
pub(super) struct Keys {
    keys: Vec<Key>,
    pub(super) memory: Memory,
}

/// Reads the file.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) remember: u64,
}

/// Not such a file. Nothing of it is shown, because it may hold a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// It is something else.
    #[error("expected a JSON Web Key Set, {{\"keys\": […]}} (line {line}, column {column})")]
    Syntax {
        /// Where the reading stopped, counted from 1.
        line: usize,
        /// The same within the line.
        column: usize,
    },
    /// There is no key for any of the algorithms that are allowed.
    #[error("expected at least one key for one of the algorithms of auth.jwt.algorithms")]
    NoKey,
    /// Two keys have the same id, so that it does not tell which one to use.
    #[error("expected each kid once for an algorithm")]
    Twice,
    /// See there.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

struct Key {
    id: Option<String>,
    algorithm: JwtAlgorithm,
    verifies: DecodingKey,
}

/// The shortest secret of HS256, in bytes.
const SHORTEST_SECRET: usize = 32;

// === impl Keys ===

impl Keys {
    /// The key that a token's header names. Its type has to fit the header's algorithm, so that nobody
    /// can sign with a public key as if it were a shared secret. A header without `kid` is clear only
    /// where there is one key for its algorithm.
    pub(super) fn find(&self, id: Option<&str>, algorithm: JwtAlgorithm) -> Option<&DecodingKey> {
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| key.algorithm == algorithm && (id.is_none() || key.id.as_deref() == id));
        let found = fitting.next()?;
        fitting.next().is_none().then_some(&found.verifies)
    }

    /// Whether there are none, because none were there yet: a set without keys is never used.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a key has this id.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id))
    }
}

// === impl Reader ===

impl Parse for Reader {
    type Output = Keys;
    type Error = KeysError;

    fn parse(&self, text: &str) -> Result<Keys, KeysError> {
        let set: JwkSet = serde_json::from_str(text).map_err(|error| KeysError::Syntax {
            line: error.line(),
            column: error.column(),
        })?;
        // Sets hold keys for other purposes and for other programs too.
        let usable = set.keys.iter().filter_map(|jwk| self.usable(jwk));
        let keys: Vec<Key> = usable.collect();
        if keys.is_empty() {
            return Err(KeysError::NoKey);
        }
        let twice = keys.iter().enumerate().any(|(at, key)| {
            let mut others = keys[..at].iter();
            others.any(|it| it.id.is_some() && it.id == key.id && it.algorithm == key.algorithm)
        });
        if twice {
            return Err(KeysError::Twice);
        }
        Ok(Keys {
            keys,
            memory: Memory::new(self.remember)?,
        })
    }
}

impl Reader {
    /// No keys, before the first ones are there.
    pub(super) fn none(&self) -> Result<Keys, NoRandomness> {
        Ok(Keys {
            keys: Vec::new(),
            memory: Memory::new(self.remember)?,
        })
    }

    fn usable(&self, jwk: &Jwk) -> Option<Key> {
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::OctetKeyPair(it) if it.curve == EllipticCurve::Ed25519 => {
                Algorithm::EdDsa
            }
            AlgorithmParameters::EllipticCurve(it) if it.curve == EllipticCurve::P256 => {
                Algorithm::Es256
            }
            AlgorithmParameters::RSA(_) => Algorithm::Rs256,
            AlgorithmParameters::OctetKey(_) => Algorithm::Hs256,
            _ => return None,
        };
        let purpose = jwk.common.public_key_use.as_ref();
        let for_signatures = purpose.is_none_or(|it| *it == PublicKeyUse::Signature);
        let algorithm_fits = jwk
            .common
            .key_algorithm
            .is_none_or(|it| JwtAlgorithm::try_from(it).ok() == Some(algorithm.into()));
        let operations = jwk.common.key_operations.as_ref();
        let for_verifying = operations.is_none_or(|it| it.contains(&KeyOperations::Verify));
        if !self.algorithms.contains(&algorithm)
            || !for_signatures
            || !for_verifying
            || !algorithm_fits
        {
            return None;
        }
        let verifies = DecodingKey::from_jwk(jwk).ok()?;
        // RFC 7518, section 3.2: a shorter secret can be guessed, and an empty one is everybody's.
        if let (Algorithm::Hs256, DecodingKeyKind::SecretOrDer(secret)) =
            (algorithm, verifies.kind())
            && secret.len() < SHORTEST_SECRET
        {
            return None;
        }
        Some(Key {
            id: jwk.common.key_id.clone(),
            algorithm: algorithm.into(),
            verifies,
        })
    }
}
