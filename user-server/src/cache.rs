//! Keeps what is read often off the database: a bounded cache of resources by id, which every change of
//! the feed updates, on every replica.
//!
//! A value is served only while the feed is known to be up to date within [`Config::max_staleness`]; when
//! the database cannot be heard for longer, every read goes there.

mod config;
mod metrics;
mod recent;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use moka::notification::RemovalCause;

use self::metrics::{Counts, Lookup};
use self::recent::Recent;
use crate::domain::{Change, ChangeKind, Position, UserId};
use crate::feed::Freshness;
use crate::store::{Error, Store, Stored};

pub use self::config::Config;

/// The cache. Clones share it.
#[derive(Clone, Debug)]
pub struct Cache {
    entries: Option<Arc<Entries>>,
    freshness: Freshness,
}

#[derive(Debug)]
struct Entries {
    values: moka::sync::Cache<UserId, Arc<Stored>>,
    /// Held while a value is put in or taken out, and never while one is read.
    recent: Mutex<Recent>,
    max_staleness: Duration,
    counts: Counts,
}

// === impl Cache ===

impl Cache {
    /// An empty cache.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let entries = config.enabled.then(|| {
            let counts = Counts::default();
            let evictions = counts.evictions();
            let values = moka::sync::Cache::builder()
                .max_capacity(config.max_entries)
                .eviction_listener(move |_, _, cause| {
                    if cause == RemovalCause::Size {
                        evictions.fetch_add(1, Ordering::Relaxed);
                    }
                });
            Arc::new(Entries {
                values: values.build(),
                recent: Mutex::new(Recent::new()),
                max_staleness: config.max_staleness,
                counts,
            })
        });
        Self {
            entries,
            freshness: Freshness::new(Instant::now()),
        }
    }

    /// Finds one by its id, here or in the store.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn get<S: Store>(&self, store: &S, id: UserId) -> Result<Option<Arc<Stored>>, Error> {
        let Some(entries) = self.usable() else {
            if let Some(entries) = &self.entries {
                entries.counts.count(Lookup::Stale);
            }
            return Ok(store.get(id).await?.map(Arc::new));
        };
        if let Some(found) = entries.values.get(&id) {
            entries.counts.count(Lookup::Hit);
            return Ok(Some(found));
        }
        entries.counts.count(Lookup::Miss);
        // Noted before the store is asked: what changes from here on may not be in its answer.
        let seen = entries.recent().seen();
        let Some(found) = store.get(id).await?.map(Arc::new) else {
            return Ok(None);
        };
        entries.fill(seen, &found);
        Ok(Some(found))
    }

    /// A change happened. May be told more than once, and in any order.
    pub fn apply(&self, change: &Change) {
        let Some(entries) = &self.entries else {
            return;
        };
        let id = change.user.id;
        let mut recent = entries.recent();
        recent.record(id, change.position);
        match entries.values.get(&id) {
            Some(old) if old.position < change.position => match change.kind {
                ChangeKind::Deleted => entries.values.invalidate(&id),
                ChangeKind::Added | ChangeKind::Updated => {
                    let new = Stored {
                        user: change.user.clone(),
                        position: change.position,
                    };
                    entries.values.insert(id, Arc::new(new));
                }
            },
            _ => {}
        }
    }

    /// The feed begins, or begins anew, after this position: what is here may be older.
    pub fn begin(&self, head: Position) {
        if let Some(entries) = &self.entries {
            entries.recent().begin(head);
            entries.values.invalidate_all();
        }
    }

    /// The feed has seen everything up to this position.
    pub fn seen(&self, position: Position) {
        if let Some(entries) = &self.entries {
            entries.recent().advance(position);
        }
    }

    /// How up to date the feed is.
    #[must_use]
    pub fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// The entries, while they can be trusted.
    fn usable(&self) -> Option<&Entries> {
        self.entries.as_deref().filter(|entries| {
            self.freshness
                .is_within(entries.max_staleness, Instant::now())
        })
    }
}

// === impl Entries ===

impl Entries {
    /// Keeps what the store answered, unless it may have changed since it was asked.
    fn fill(&self, seen: Position, found: &Arc<Stored>) {
        let id = found.user.id;
        let recent = self.recent();
        let is_newest = recent.is_newest(seen, id, found.position);
        if is_newest
            && self
                .values
                .get(&id)
                .is_none_or(|old| old.position < found.position)
        {
            self.values.insert(id, Arc::clone(found));
        }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        // Each change of it is one step; there is nothing to repair after a panic.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{Draft, NewUser, User};

    fn stored(position: u64) -> Arc<Stored> {
        let new = NewUser::parse(Draft {
            display_name: "Ada",
            email: "ada@example.com",
            age: None,
        });
        let id = UserId::new(Uuid::from_u128(1));
        Arc::new(Stored {
            user: User::create(new.unwrap(), id, Timestamp::UNIX_EPOCH),
            position: Position::new(position),
        })
    }

    fn change(kind: ChangeKind, position: u64) -> Change {
        Change {
            position: Position::new(position),
            kind,
            user: stored(position).user.clone(),
        }
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        for kind in [ChangeKind::Updated, ChangeKind::Deleted] {
            let cache = Cache::new(&Config::default());
            cache.begin(Position::new(7));
            let entries = cache.entries.as_deref().unwrap();
            let old = stored(3);
            // A reader asks the database; a change comes by the feed; the answer comes.
            let seen = entries.recent().seen();
            cache.apply(&change(kind, 8));
            entries.fill(seen, &old);
            assert_eq!(entries.values.get(&old.user.id), None, "{kind:?}");
        }
    }

    #[test]
    fn a_change_replaces_what_is_kept_and_an_older_one_does_not() {
        let cache = Cache::new(&Config::default());
        let entries = cache.entries.as_deref().unwrap();
        let id = stored(3).user.id;
        let seen = entries.recent().seen();
        entries.fill(seen, &stored(3));
        let position = || entries.values.get(&id).map(|it| it.position.get());
        cache.apply(&change(ChangeKind::Updated, 5));
        assert_eq!(position(), Some(5));
        cache.apply(&change(ChangeKind::Updated, 4));
        assert_eq!(position(), Some(5));
        cache.apply(&change(ChangeKind::Deleted, 6));
        assert_eq!(position(), None);
    }
}
