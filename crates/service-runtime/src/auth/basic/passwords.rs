//! The file of names and password hashes: `name:$argon2id$v=19$m=19456,t=2,p=1$salt$hash`, one on a
//! line; empty lines and lines that begin with `#` are skipped.

use std::collections::HashMap;

use argon2::password_hash::PasswordVerifier as _;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};

use super::super::memory::{Memory, NoRandomness};
use super::super::reload::Parse;

/// What the file says, and what was verified by it. A new file begins with nothing verified.
pub(super) struct Passwords {
    hashes: HashMap<String, PasswordHash>,
    /// What the password of an unknown name is compared with, so that it takes as long as that of a
    /// known one.
    stranger: PasswordHash,
    pub(super) memory: Memory,
}

/// Reads the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader {
    pub(super) remember: u64,
}

/// Not such a file. The lines are named and not shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordsError {
    /// A line is not like that.
    #[error("line {line}: expected name:$argon2id$…, the name in visible ASCII without a colon")]
    Line {
        /// Which one, counted from 1.
        line: usize,
    },
    /// A hash is no hash of argon2id.
    #[error("line {line}: expected a hash by argon2id in the PHC string format")]
    Hash {
        /// In which line, counted from 1.
        line: usize,
    },
    /// A name is there twice.
    #[error("line {line}: expected each name once")]
    Twice {
        /// In which line, counted from 1.
        line: usize,
    },
    /// No hash can be made for unknown names.
    #[error("no password can be hashed with the costs of the file's most costly hash")]
    Hashing(#[source] argon2::password_hash::Error),
    /// See there.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

// === impl Passwords ===

impl Passwords {
    /// Hashes a password and compares; takes tens of milliseconds.
    pub(super) fn verify(&self, name: &str, password: &str) -> bool {
        let known = self.hashes.get(name);
        let hash = known.unwrap_or(&self.stranger);
        // Compares in constant time, whatever is different.
        let matches = Argon2::default()
            .verify_password(password.as_bytes(), hash)
            .is_ok();
        matches & known.is_some()
    }
}

// === impl Reader ===

impl Parse for Reader {
    type Output = Passwords;
    type Error = PasswordsError;

    fn parse(&self, text: &str) -> Result<Passwords, PasswordsError> {
        let mut hashes = HashMap::new();
        let mut costs = Params::default();
        for (line, number) in text.lines().zip(1..) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = PasswordsError::Line { line: number };
            let Some((name, hash)) = line.split_once(':') else {
                return Err(bad);
            };
            if name.is_empty() || !name.bytes().all(|it| it.is_ascii_graphic()) {
                return Err(bad);
            }
            let bad = PasswordsError::Hash { line: number };
            let Ok(hash) = PasswordHash::new(hash) else {
                return Err(bad);
            };
            let is_argon2id = hash.algorithm.as_str() == "argon2id";
            let params = Params::try_from(&hash);
            let (true, true, Ok(params)) = (is_argon2id, hash.hash.is_some(), params) else {
                return Err(bad);
            };
            let cost = |params: &Params| u64::from(params.m_cost()) * u64::from(params.t_cost());
            if hashes.is_empty() || cost(&params) > cost(&costs) {
                costs = params;
            }
            if hashes.insert(name.to_owned(), hash).is_some() {
                return Err(PasswordsError::Twice { line: number });
            }
        }
        let salt: [u8; 16] = ring::rand::generate(&ring::rand::SystemRandom::new())
            .map_err(|_| NoRandomness)?
            .expose();
        let stranger = Argon2::new(Algorithm::Argon2id, Version::V0x13, costs)
            .hash_password_with_salt(b"", &salt)
            .map_err(PasswordsError::Hashing)?;
        Ok(Passwords {
            hashes,
            stranger,
            memory: Memory::new(self.remember)?,
        })
    }
}
