//! Calls, failures and latencies of one replica: what a worker counts and a report adds up.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

/// Three significant digits: a p99 of 12.3 ms is told from one of 12.4 ms.
const SIGNIFICANT_DIGITS: u8 = 3;

/// What was counted for one replica.
#[derive(Clone)]
pub struct Tally {
    calls: u64,
    failed: u64,
    /// Microseconds; successful calls only.
    latency: Histogram<u64>,
}

// === impl Tally ===

impl Tally {
    /// How many calls were answered, well or badly.
    #[must_use]
    pub const fn calls(&self) -> u64 {
        self.calls
    }

    /// How many of them failed.
    #[must_use]
    pub const fn failed(&self) -> u64 {
        self.failed
    }

    /// The latency that this share of the successful calls (0.0 to 1.0) did not exceed, to three
    /// significant digits; `None` when there was none.
    ///
    /// A failed call has no latency here: one that is refused at once would make a broken service
    /// look fast.
    #[must_use]
    pub fn latency(&self, quantile: f64) -> Option<Duration> {
        (!self.latency.is_empty())
            .then(|| Duration::from_micros(self.latency.value_at_quantile(quantile)))
    }

    pub(super) fn succeed(&mut self, latency: Duration) {
        self.calls += 1;
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        if self.latency.record(micros).is_err() {
            // The histogram grows by itself, unless its size no longer fits into a `usize`.
            self.latency.saturating_record(micros);
        }
    }

    pub(super) const fn fail(&mut self) {
        self.calls += 1;
        self.failed += 1;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.failed += other.failed;
        #[expect(
            clippy::expect_used,
            reason = "a histogram that grows by itself takes every value that another one holds"
        )]
        self.latency
            .add(&other.latency)
            .expect("both histograms grow by themselves");
    }
}

impl Default for Tally {
    fn default() -> Self {
        #[expect(
            clippy::expect_used,
            reason = "only more than five significant digits are refused"
        )]
        let latency =
            Histogram::new(SIGNIFICANT_DIGITS).expect("three significant digits are allowed");
        Self {
            calls: 0,
            failed: 0,
            latency,
        }
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally")
            .field("calls", &self.calls)
            .field("failed", &self.failed)
            .field("p50", &self.latency(0.5))
            .field("p99", &self.latency(0.99))
            .finish_non_exhaustive()
    }
}
