//! What can be measured of the cache: what it was asked for, what is in it, and what had no room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use super::Cache;
use crate::instruments::{CACHE_ENTRIES, CACHE_EVICTIONS, CACHE_LOOKUPS};

/// What came of the lookups, and of the entries.
#[derive(Debug, Default)]
pub(super) struct Counts {
    lookups: [AtomicU64; Lookup::ALL.len()],
    evictions: Arc<AtomicU64>,
}

/// What came of a lookup.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lookup {
    /// It was there.
    Hit,
    /// It was not.
    Miss,
    /// Nobody looked: the feed was not up to date, so that nothing in it could be trusted.
    Stale,
}

// === impl Counts ===

impl Counts {
    pub(super) fn count(&self, lookup: Lookup) {
        self.lookups[lookup as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// What counts evictions.
    pub(super) fn evictions(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.evictions)
    }
}

// === impl Lookup ===

impl Lookup {
    const ALL: [Self; 3] = [Self::Hit, Self::Miss, Self::Stale];

    fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale => "stale",
        }
    }
}

// === impl Cache ===

impl Cache {
    /// Lets `meter` observe the cache, for as long as its provider lives; one that is off has nothing to
    /// show.
    pub fn measure(&self, meter: &Meter) {
        let Some(entries) = &self.entries else {
            return;
        };
        for lookup in Lookup::ALL {
            let (entries, label) = (Arc::clone(entries), KeyValue::new("result", lookup.name()));
            CACHE_LOOKUPS.observe_count(meter, [label], move || {
                entries.counts.lookups[lookup as usize].load(Ordering::Relaxed)
            });
        }
        let evictions = entries.counts.evictions();
        CACHE_EVICTIONS.observe_count(meter, [], move || evictions.load(Ordering::Relaxed));
        let entries = Arc::clone(entries);
        #[expect(
            clippy::cast_precision_loss,
            reason = "there is no memory for so many that it would matter"
        )]
        CACHE_ENTRIES.observe(meter, move || {
            // It counts only what it has tidied up, which it does in passing.
            entries.values.run_pending_tasks();
            Some(entries.values.entry_count() as f64)
        });
    }
}
