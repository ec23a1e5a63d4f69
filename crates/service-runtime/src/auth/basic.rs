//! Names with passwords: the `authorization: Basic …` header (RFC 7617), or the metadata `username`
//! and `password`.

mod passwords;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

pub use self::passwords::PasswordsError;
use self::passwords::{Passwords, Reader};
use super::caller::{Caller, Principal};
use super::memory::Verified;
use super::refusal::Refusal;
use super::reload::{FileError, Reloaded};
use super::{Checked, LONGEST_CREDENTIALS, scheme};
use crate::settings::Violations;

/// The metadata of a name, for callers that cannot send the header.
pub(super) const USERNAME: &str = "username";

/// The metadata of its password.
pub(super) const PASSWORD: &str = "password";

/// How passwords are checked.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The file of names and hashes: `name:$argon2id$v=19$…` on each line. It is read again when it
    /// changes.
    pub file: PathBuf,
    /// For how long a password that was right is not hashed again. A name that is taken out of the file
    /// is out at once all the same.
    #[serde(with = "crate::settings::duration")]
    pub remember_for: Duration,
    /// How many of them are remembered, at about 200 bytes each.
    pub remember: u64,
    /// How many passwords are hashed at the same time. Each takes a core for tens of milliseconds, and
    /// 19 MiB with argon2id's usual costs.
    pub max_hashes: usize,
    /// How many calls may wait for their turn; further ones get `RESOURCE_EXHAUSTED`, so that somebody
    /// who guesses passwords fills no memory.
    pub max_waiting: usize,
}

/// Checks passwords.
#[derive(Clone)]
pub(super) struct Basic {
    passwords: Arc<Reloaded<Passwords>>,
    remember_for: Duration,
    hashing: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// A name, and what claims to be its password.
pub(super) struct Credentials {
    name: String,
    password: Zeroizing<String>,
}

// === impl Config ===

impl Config {
    pub(super) fn validate(&self, violations: &mut Violations) {
        let given = !self.file.as_os_str().is_empty();
        violations.expect(
            given,
            "file",
            "the path of a file with name:$argon2id$… on each line",
        );
        violations.expect(
            self.remember_for <= Duration::from_hours(1),
            "remember_for",
            "at most 1h",
        );
        let permits = 1..=Semaphore::MAX_PERMITS;
        violations.expect(
            permits.contains(&self.max_hashes),
            "max_hashes",
            "at least 1",
        );
        violations.expect(
            permits.contains(&self.max_waiting),
            "max_waiting",
            "at least 1",
        );
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            file: PathBuf::new(),
            remember_for: Duration::from_mins(1),
            remember: 10_000,
            max_hashes: 2,
            max_waiting: 128,
        }
    }
}

// === impl Basic ===

impl Basic {
    pub(super) fn start(config: &Config) -> Result<Self, FileError> {
        let reader = Reader {
            remember: config.remember,
        };
        Ok(Self {
            passwords: Arc::new(Reloaded::start("passwords", &config.file, reader)?),
            remember_for: config.remember_for,
            hashing: Arc::new(Semaphore::new(config.max_hashes)),
            waiting: Arc::new(Semaphore::new(config.max_waiting)),
        })
    }

    /// Looks whether the call has such credentials, and whether they were verified already.
    pub(super) fn check(&self, headers: &HeaderMap, now: Timestamp) -> Checked {
        let credentials = match Credentials::of(headers) {
            None => return Checked::NotMine,
            Some(Err(refusal)) => return Checked::Refused(refusal),
            Some(Ok(credentials)) => credentials,
        };
        let passwords = self.passwords.current();
        let mark = passwords.memory.mark(&credentials.parts());
        if let Some(known) = passwords.memory.recall(&mark, now) {
            return Checked::Known(known.caller);
        }
        let Ok(place) = self.waiting.clone().try_acquire_owned() else {
            return Checked::Refused(Refusal::Busy);
        };
        let this = self.clone();
        Checked::Later(Box::pin(async move {
            // The semaphore is never closed.
            let Ok(turn) = this.hashing.clone().acquire_owned().await else {
                return Err(Refusal::Busy);
            };
            let work = tokio::task::spawn_blocking(move || {
                // They go with the work, so that a call that is cancelled does not free them early.
                let _held = (place, turn);
                this.verify(&credentials, now)
            });
            work.await.unwrap_or(Err(Refusal::Busy))
        }))
    }

    fn verify(&self, credentials: &Credentials, now: Timestamp) -> Result<Caller, Refusal> {
        let passwords = self.passwords.current();
        if !passwords.verify(&credentials.name, &credentials.password) {
            return Err(Refusal::Invalid("wrong name or password"));
        }
        let caller = Caller::from(Principal::Basic {
            name: credentials.name.clone(),
        });
        let mark = passwords.memory.mark(&credentials.parts());
        if let Ok(until) = now.checked_add(self.remember_for) {
            let caller = caller.clone();
            let verified = Verified { caller, until };
            passwords.memory.remember(&mark, verified);
        }
        Ok(caller)
    }
}

// === impl Credentials ===

impl Credentials {
    /// `None` when the call has none of this kind.
    fn of(headers: &HeaderMap) -> Option<Result<Self, Refusal>> {
        if let Some(encoded) = scheme(headers, "basic") {
            return Some(Self::decode(encoded));
        }
        let name = headers.get(USERNAME)?;
        let password = headers.get(PASSWORD)?;
        let several = |name| headers.get_all(name).iter().count() > 1;
        if several(USERNAME) || several(PASSWORD) {
            return Some(Err(Refusal::Invalid("more than one name or password")));
        }
        let (Ok(name), Ok(password)) = (name.to_str(), std::str::from_utf8(password.as_bytes()))
        else {
            return Some(Err(Refusal::Invalid("name or password is not a text")));
        };
        Some(Self::new(name, password))
    }

    fn decode(encoded: &[u8]) -> Result<Self, Refusal> {
        if encoded.len() > LONGEST_CREDENTIALS {
            return Err(Refusal::Invalid("credentials are too long"));
        }
        let decoded = STANDARD.decode(encoded).map(Zeroizing::new);
        let decoded = decoded.map_err(|_| Refusal::Invalid("not base64"))?;
        let text = std::str::from_utf8(&decoded)
            .map_err(|_| Refusal::Invalid("name or password is not a text"))?;
        let (name, password) = text
            .split_once(':')
            .ok_or(Refusal::Invalid("no colon after the name"))?;
        Self::new(name, password)
    }

    fn new(name: &str, password: &str) -> Result<Self, Refusal> {
        let too_long = name.len() + password.len() > LONGEST_CREDENTIALS;
        // RFC 7617, section 2: neither part may hold control characters.
        if too_long || name.is_empty() || name.chars().chain(password.chars()).any(char::is_control)
        {
            return Err(Refusal::Invalid("malformed name or password"));
        }
        Ok(Self {
            name: name.to_owned(),
            password: Zeroizing::new(password.to_owned()),
        })
    }

    fn parts(&self) -> [&[u8]; 2] {
        [self.name.as_bytes(), self.password.as_bytes()]
    }
}

#[cfg(test)]
mod tests;
