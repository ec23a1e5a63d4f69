//! One worker of a load run: takes the next slot, waits for it, calls, counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Call, Report, Schedule, Slot};

/// What one worker has counted since it was last asked.
///
/// The lock is the worker's own; only the sampler ever shares it, a few times a second.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Report>);

/// The calls of a run that are already taken, shared by its workers.
#[derive(Debug)]
pub(super) struct Tickets {
    schedule: Schedule,
    next: AtomicU64,
}

/// One worker.
pub(super) struct Worker {
    pub(super) tickets: Arc<Tickets>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) started: Instant,
    pub(super) cancel: CancellationToken,
}

// === impl Ledger ===

impl Ledger {
    /// Takes what was counted, and starts again from nothing.
    pub(super) fn take(&self) -> Report {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

// === impl Tickets ===

impl Tickets {
    pub(super) const fn new(schedule: Schedule) -> Self {
        Self {
            schedule,
            next: AtomicU64::new(0),
        }
    }

    /// The next slot that no worker has taken; `None` when the run is over.
    fn take(&self, started: Instant) -> Option<Slot> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        self.schedule.slot(index, started.elapsed())
    }
}

// === impl Worker ===

impl Worker {
    /// Works until the schedule ends or the run is cancelled; it never drops a call by itself.
    pub(super) async fn run(self, mut call: impl Call) {
        while !self.cancel.is_cancelled() {
            let Some(slot) = self.tickets.take(self.started) else {
                return;
            };
            if !self.wait_for(slot).await {
                return;
            }
            let begin = slot.counts_from(self.started.elapsed());
            let answer = call.call().await;
            let latency = self.started.elapsed().saturating_sub(begin);
            self.ledger
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .record(&answer, latency);
        }
    }

    /// Returns whether the slot has come; not when the run is cancelled first.
    async fn wait_for(&self, slot: Slot) -> bool {
        let Slot::Due(due) = slot else { return true };
        // A schedule that ends after the clock does is as good as one that never comes.
        let Some(due) = self.started.checked_add(due) else {
            self.cancel.cancelled().await;
            return false;
        };
        if due <= Instant::now() {
            return true;
        }
        tokio::select! {
            () = tokio::time::sleep_until(due) => true,
            () = self.cancel.cancelled() => false,
        }
    }
}
