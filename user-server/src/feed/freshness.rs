//! When the database was last known to hold nothing that was not seen here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Everything that was committed before this moment has been seen. Clones share it.
#[derive(Clone, Debug)]
pub struct Freshness {
    since: Instant,
    /// Nanoseconds after `since`; 0 before the first time.
    heard: Arc<AtomicU64>,
}

// === impl Freshness ===

impl Freshness {
    /// Nothing has been heard.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            since: now,
            heard: Arc::new(AtomicU64::new(0)),
        }
    }

    /// An answer to a question that was asked at this moment held everything.
    pub fn heard(&self, asked: Instant) {
        let after = asked.saturating_duration_since(self.since).as_nanos();
        let after = u64::try_from(after).unwrap_or(u64::MAX).max(1);
        self.heard.fetch_max(after, Ordering::AcqRel);
    }

    /// Whether what was seen is at most this old.
    #[must_use]
    pub fn is_within(&self, bound: Duration, now: Instant) -> bool {
        self.age(now).is_some_and(|age| age <= bound)
    }

    /// How old what was seen is; `None` before the first time.
    #[must_use]
    pub fn age(&self, now: Instant) -> Option<Duration> {
        match self.heard.load(Ordering::Acquire) {
            0 => None,
            after => {
                let heard = self.since + Duration::from_nanos(after);
                Some(now.saturating_duration_since(heard))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_heard_grows_old() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let freshness = Freshness::new(start);
        assert!(!freshness.is_within(second, start), "nothing was heard yet");
        freshness.heard(start);
        assert!(freshness.is_within(second, start + second));
        assert!(!freshness.is_within(second, start + second * 2));
        freshness.heard(start + second * 2);
        freshness.heard(start + second);
        assert!(
            freshness.is_within(second, start + second * 3),
            "an older answer takes nothing back"
        );
    }
}
