//! Remembers what was verified, so that a password is not hashed and a signature not checked on every
//! call.
//!
//! The credentials themselves are not kept: an entry's key is their HMAC under a key that only this
//! memory knows, so that neither a dump of it nor a chosen collision is of use to anybody.

use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use jiff::Timestamp;
use moka::sync::Cache;
use ring::hmac;
use ring::rand::SystemRandom;

use super::caller::Caller;

/// What was verified, bounded in number and in time.
pub(super) struct Memory {
    key: hmac::Key,
    /// It has no times of its own: it would ask for the time again with every look.
    entries: Cache<Mark, Verified, BuildHasherDefault<Chance>>,
    era: Arc<()>,
}

/// The machine gives no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random numbers")]
pub struct NoRandomness;

/// The mark of some credentials.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark([u8; 32]);

/// A hasher of marks, which nobody can choose or foresee: some of their bytes are as good as any hash.
#[derive(Default)]
struct Chance(u64);

/// What some credentials have proved.
#[derive(Clone)]
pub(super) struct Verified {
    pub(super) caller: Caller,
    /// From then on it counts no more.
    pub(super) until: Timestamp,
}

// === impl Memory ===

impl Memory {
    /// For so many entries.
    pub(super) fn new(size: u64) -> Result<Self, NoRandomness> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|_| NoRandomness)?;
        let entries = Cache::builder()
            .max_capacity(size)
            .build_with_hasher(BuildHasherDefault::default());
        let era = Arc::default();
        Ok(Self { key, entries, era })
    }

    /// Its own, and no other memory's: new keys or passwords have a new memory.
    pub(super) fn era(&self) -> &Arc<()> {
        &self.era
    }

    /// Whether it was made to remember nothing.
    pub(super) fn is_off(&self) -> bool {
        self.entries.policy().max_capacity() == Some(0)
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

    pub(super) fn recall(&self, mark: &Mark, now: Timestamp) -> Option<Verified> {
        let verified = self.entries.get(mark)?;
        if now < verified.until {
            return Some(verified);
        }
        self.entries.invalidate(mark);
        None
    }

    pub(super) fn remember(&self, mark: &Mark, verified: Verified) {
        self.entries.insert(*mark, verified);
    }
}

// === impl Mark ===

impl Hash for Mark {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let chance = self.0.first_chunk().copied().unwrap_or_default();
        hasher.write_u64(u64::from_ne_bytes(chance));
    }
}

// === impl Chance ===

impl Hasher for Chance {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, chance: u64) {
        self.0 = chance;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Principal;

    #[test]
    fn what_is_remembered_is_forgotten_in_time() {
        let memory = Memory::new(10).unwrap();
        let name = "job-7".to_owned();
        let caller = Caller::from(Principal::Basic { name });
        let second = |second| Timestamp::from_second(second).unwrap();
        let mark = memory.mark(&[b"job-7", b"secret"]);
        let until = second(10);
        memory.remember(
            &mark,
            Verified {
                caller: caller.clone(),
                until,
            },
        );
        let recall = |mark, now| memory.recall(mark, now).map(|it| it.caller);
        assert_eq!(recall(&mark, second(9)), Some(caller));
        let other = memory.mark(&[b"job-7s", b"ecret"]);
        assert_eq!(recall(&other, second(9)), None);
        assert_eq!(recall(&mark, second(10)), None);
        assert_eq!(recall(&mark, second(9)), None, "it is gone");
    }
}
