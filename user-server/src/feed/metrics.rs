//! What can be measured of the feed: how far it is, how old that may be, and what got in its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use super::{Feed, Freshness};
use crate::instruments::{FEED_INTERRUPTIONS, FEED_LAG, FEED_POSITION};

/// How often changes could not be followed. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Interruptions(Arc<[AtomicU64; Reason::ALL.len()]>);

/// Why they could not.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reason {
    /// The database could not be read for a while.
    Unavailable,
    /// Changes were forgotten before they were read.
    Pruned,
}

// === impl Interruptions ===

impl Interruptions {
    pub(super) fn count(&self, reason: Reason) {
        self.0[reason as usize].fetch_add(1, Ordering::Relaxed);
    }
}

// === impl Reason ===

impl Reason {
    const ALL: [Self; 2] = [Self::Unavailable, Self::Pruned];

    fn name(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Pruned => "pruned",
        }
    }
}

// === impl Feed ===

impl Feed {
    /// Lets `meter` observe the feed, for as long as its provider lives. It has no lag and no position
    /// before the database was heard for the first time.
    pub fn measure(&self, meter: &Meter, freshness: &Freshness) {
        let lag = freshness.clone();
        FEED_LAG.observe(meter, move || Some(lag.age(Instant::now())?.as_secs_f64()));
        let (position, freshness) = (Arc::clone(&self.position), freshness.clone());
        FEED_POSITION.observe(meter, move || {
            freshness.age(Instant::now())?;
            #[expect(
                clippy::cast_precision_loss,
                reason = "exact up to 2^53 changes, which is a million a second for 285 years"
            )]
            Some(position.load(Ordering::Acquire) as f64)
        });
        for reason in Reason::ALL {
            let label = KeyValue::new("reason", reason.name());
            let interruptions = self.interruptions.clone();
            FEED_INTERRUPTIONS.observe_count(meter, [label], move || {
                interruptions.0[reason as usize].load(Ordering::Relaxed)
            });
        }
    }
}
