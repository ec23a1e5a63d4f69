//! How many calls each caller has running.
//!
//! Only callers with a running call have an entry. The table is therefore no larger than the number of
//! running calls, and no caller is forgotten, and given its share anew, while it has calls that last.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;

use super::callers::Key;

/// Calls lock one of so many parts for the length of a look-up.
const PARTS: usize = 16;

/// The callers with running calls.
pub(super) struct PerCaller {
    parts: [Mutex<HashMap<Key, usize>>; PARTS],
    /// Chooses the part; within a part std's hash keeps callers from choosing their neighbours.
    hasher: RandomState,
    most: usize,
}

/// A call of a caller, while it runs.
pub(super) struct Usage {
    table: Arc<PerCaller>,
    /// Which part of the table its caller is in.
    part: usize,
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
        let place = this.place(key);
        let mut part = this.part(place);
        if let Some(running) = part.get_mut(key) {
            if *running >= this.most {
                return None;
            }
            *running += 1;
        } else {
            // There is room for one: no limit is no table.
            part.insert(key.clone(), 1);
        }
        drop(part);
        Some(Usage {
            table: this.clone(),
            part: place,
            key: key.clone(),
        })
    }

    fn place(&self, key: &Key) -> usize {
        let place = self.hasher.hash_one(key) % (PARTS as u64);
        // It is one of them, whatever the hash.
        usize::try_from(place).unwrap_or_default()
    }

    /// Nothing panics while it is locked.
    fn part(&self, place: usize) -> MutexGuard<'_, HashMap<Key, usize>> {
        self.parts[place]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Usage ===

impl Drop for Usage {
    fn drop(&mut self) {
        let mut part = self.table.part(self.part);
        if let Some(running) = part.get_mut(&self.key) {
            *running -= 1;
            if *running == 0 {
                part.remove(&self.key);
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
