//! The counters of one address: what its calls came to, every attempt counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// What the calls on one address came to.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    started: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Succeeded,
    Failed,
    /// Nobody wanted its answer any more. It says nothing about the replica, so gRFC A50 counts it
    /// neither as a success nor as a failure.
    Cancelled,
}

// === impl Calls ===

impl Calls {
    pub(crate) fn start(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Succeeded => &self.succeeded,
            Outcome::Failed => &self.failed,
            Outcome::Cancelled => &self.cancelled,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// How many have begun and not ended.
    pub(crate) fn in_flight(&self) -> u64 {
        // What has ended is read first, since it began before.
        let ended = self.succeeded() + self.failed() + self.cancelled();
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

    pub(crate) fn cancelled(&self) -> u64 {
        self.cancelled.load(Ordering::Relaxed)
    }
}
