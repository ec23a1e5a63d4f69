//! How many calls each caller has running.
//!
//! Only callers with a running call have an entry. The table is therefore no larger than the number of
//! running calls, and no caller is forgotten, and given its share anew, while it has calls that last.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;

use super::callers::Key;

/// Calls lock one of so many parts for the length of a look-up.
const PARTS: usize = 16;

/// The callers with running calls.
pub(super) struct PerCaller {
    parts: [Mutex<HashTable<Entry>>; PARTS],
    /// std's, which keeps callers from choosing their neighbours. A name is hashed once for each call.
    hasher: RandomState,
    most: usize,
}

/// A caller with running calls.
struct Entry {
    hash: u64,
    key: Key,
    running: usize,
}

/// A call of a caller, while it runs.
pub(super) struct Usage {
    table: Arc<PerCaller>,
    hash: u64,
    key: Key,
}

// === impl PerCaller ===

impl PerCaller {
    pub(super) fn new(most: usize) -> Self {
        Self {
            parts: Default::default(),
            hasher: RandomState::default(),
            most,
        }
    }

    /// A call's place among those of its caller, unless it has as many as it may.
    pub(super) fn admit(this: &Arc<Self>, key: &Key) -> Option<Usage> {
        let hash = this.hasher.hash_one(key);
        let mut part = this.part(hash);
        if let Some(entry) = part.find_mut(hash, |it| it.key == *key) {
            if entry.running >= this.most {
                return None;
            }
            entry.running += 1;
        } else {
            // There is room for one: no limit is no table.
            let entry = Entry {
                hash,
                key: key.clone(),
                running: 1,
            };
            part.insert_unique(hash, entry, |it| it.hash);
        }
        drop(part);
        Some(Usage {
            table: this.clone(),
            hash,
            key: key.clone(),
        })
    }

    /// The part of the table where a key of this hash is. Nothing panics while it is locked.
    fn part(&self, hash: u64) -> MutexGuard<'_, HashTable<Entry>> {
        // Within a part the table looks at the lowest and the highest bits.
        let [.., middle, _, _, _] = hash.to_be_bytes();
        self.parts[usize::from(middle) % PARTS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Usage ===

impl Drop for Usage {
    fn drop(&mut self) {
        let mut part = self.table.part(self.hash);
        if let Ok(mut entry) = part.find_entry(self.hash, |it| it.key == self.key) {
            entry.get_mut().running -= 1;
            if entry.get().running == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_callers_with_running_calls_are_kept() {
        let table = Arc::new(PerCaller::new(2));
        let key = |name: &str| Key::Caller(name.into());
        let first = PerCaller::admit(&table, &key("a")).unwrap();
        let second = PerCaller::admit(&table, &key("a")).unwrap();
        assert!(PerCaller::admit(&table, &key("a")).is_none());
        let other = PerCaller::admit(&table, &key("b"));
        assert!(other.is_some(), "one caller's calls are not another's");
        drop((first, other));
        let third = PerCaller::admit(&table, &key("a"));
        assert!(third.is_some(), "a place is given back");
        drop((second, third));
        let left: usize = table.parts.iter().map(|it| it.lock().unwrap().len()).sum();
        assert_eq!(left, 0);
    }
}
