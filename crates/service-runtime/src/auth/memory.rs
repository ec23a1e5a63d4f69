//! Remembers what was verified, so that a password is not hashed and a signature not checked on every
//! call.
//!
//! The credentials themselves are not kept: an entry's key is their HMAC under a key that only this
//! memory knows, so that neither a dump of it nor a chosen collision is of use to anybody.

use std::time::Duration;

use jiff::Timestamp;
use moka::sync::Cache;
use ring::hmac;
use ring::rand::SystemRandom;

use super::caller::Caller;

/// What was verified, bounded in number and in time.
pub(super) struct Memory {
    key: hmac::Key,
    entries: Cache<[u8; 32], Entry>,
}

/// The machine gives no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random numbers")]
pub struct NoRandomness;

/// The mark of some credentials.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark([u8; 32]);

#[derive(Clone)]
struct Entry {
    caller: Caller,
    until: Timestamp,
}

// === impl Memory ===

impl Memory {
    /// For so many entries, each for so long at the most.
    pub(super) fn new(size: u64, longest: Duration) -> Result<Self, NoRandomness> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|_| NoRandomness)?;
        let entries = Cache::builder()
            .max_capacity(size)
            .time_to_live(longest)
            .build();
        Ok(Self { key, entries })
    }

    /// The parts are told apart: `("a", "bc")` is not `("ab", "c")`.
    pub(super) fn mark(&self, parts: &[&[u8]]) -> Mark {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut mark = [0; 32];
        // SHA-256 has 32 bytes.
        mark.iter_mut()
            .zip(context.sign().as_ref())
            .for_each(|(to, from)| *to = *from);
        Mark(mark)
    }

    pub(super) fn recall(&self, mark: &Mark, now: Timestamp) -> Option<Caller> {
        let entry = self.entries.get(&mark.0)?;
        (now < entry.until).then_some(entry.caller)
    }

    pub(super) fn remember(&self, mark: &Mark, caller: Caller, until: Timestamp) {
        self.entries.insert(mark.0, Entry { caller, until });
    }
}
