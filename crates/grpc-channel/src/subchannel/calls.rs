//! The counters of one address: what its calls came to, every attempt counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// What the calls on one address came to.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    started: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
}

// === impl Calls ===

impl Calls {
    pub(crate) fn start(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self, ok: bool) {
        let counter = if ok { &self.succeeded } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// How many have begun and not ended.
    pub(crate) fn in_flight(&self) -> u64 {
        // What has ended is read first, since it began before.
        let ended = self.succeeded() + self.failed();
        self.started().saturating_sub(ended)
    }

    pub(crate) fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    pub(crate) fn succeeded(&self) -> u64 {
        self.succeeded.load(Ordering::Relaxed)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}
