//! The end of a queue: as many spans or log records wait as may, and no call ever waits for one of them.
//!
//! The SDK's processors batch and send. They count what they drop only for themselves; so that nothing is
//! lost without being counted, what they are given is bounded here, by as much as they have room for.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lost::{Lost, Reason};
use crate::settings::Violations;

/// How spans or log records wait to be sent.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Batch {
    /// How many wait at the most, those that are being sent included; more are lost. One has about a
    /// kilobyte.
    pub queue_size: usize,
    /// How many are sent together at the most.
    pub size: usize,
    /// How long one waits for others at the most.
    #[serde(with = "crate::settings::duration")]
    pub delay: Duration,
}

/// How many wait, or are being sent.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: AtomicUsize,
    size: usize,
    is_closed: AtomicBool,
    /// What is still there then was counted.
    has_ended: AtomicBool,
    lost: Lost,
}

// === impl Batch ===

impl Batch {
    pub(super) fn validate(&self, violations: &mut Violations) {
        violations.expect(
            (1..=1 << 20).contains(&self.queue_size),
            "queue_size",
            "1 to 1048576",
        );
        violations.expect(
            (1..=self.queue_size).contains(&self.size),
            "size",
            "1 to queue_size",
        );
        violations.expect(!self.delay.is_zero(), "delay", "more than zero");
    }
}

impl Default for Batch {
    /// The defaults of OpenTelemetry's batching processors, but for a delay that shows a trace sooner.
    fn default() -> Self {
        Self {
            queue_size: 2048,
            size: 512,
            delay: Duration::from_secs(1),
        }
    }
}

// === impl Queue ===

impl Queue {
    pub(super) fn new(size: usize, lost: Lost) -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            size,
            is_closed: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            lost,
        }
    }

    /// Whether one more may wait; it is lost otherwise.
    pub(super) fn admits(&self) -> bool {
        if self.is_closed.load(Ordering::Relaxed) {
            self.lost
                .count(1, Reason::Shutdown, "it ended after the last export");
            return false;
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) < self.size {
            return true;
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let why = "there is more than the collector takes";
        self.lost.count(1, Reason::QueueFull, why);
        false
    }

    /// These wait no longer; `failed` says why they did not arrive.
    pub(super) fn sent(&self, count: usize, failed: Option<&str>) {
        if self.has_ended.load(Ordering::Relaxed) {
            return;
        }
        self.waiting.fetch_sub(count, Ordering::Relaxed);
        if let Some(why) = failed {
            self.lost.count(count, Reason::ExportFailed, why);
        }
    }

    /// Admits nothing any more; `false` when it was so before.
    pub(super) fn close(&self) -> bool {
        !self.is_closed.swap(true, Ordering::Relaxed)
    }

    /// Nothing is sent any more.
    pub(super) fn end(&self) {
        if self.has_ended.swap(true, Ordering::Relaxed) {
            return;
        }
        let left = self.waiting.load(Ordering::Relaxed);
        if left > 0 {
            let why = "the collector did not take them before the process ended";
            self.lost.count(left, Reason::Shutdown, why);
        }
    }
}
