//! Telemetry that did not arrive, counted, and told of now and then.

use std::time::{Duration, Instant};

use opentelemetry::metrics::{Counter, Meter};
use opentelemetry::{Context, KeyValue};

use super::instruments::LOST;
use super::signal::Signal;
use crate::repeats::Repeats;

/// How often the log says it.
const INTERVAL: Duration = Duration::from_secs(30);

/// Counts what is lost of one signal: spans, log records, pushes of all metrics.
#[derive(Debug)]
pub(super) struct Lost {
    signal: Signal,
    counter: Option<Counter<u64>>,
    repeats: Repeats,
}

/// Why it is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The collector is slower than the process.
    QueueFull,
    /// It did not take it.
    ExportFailed,
    /// It was still there when the process ended.
    Shutdown,
}

// === impl Lost ===

impl Lost {
    pub(super) fn new(signal: Signal, meter: Option<&Meter>) -> Self {
        let lost = Self {
            signal,
            counter: meter.map(|meter| LOST.counter(meter)),
            repeats: Repeats::every(INTERVAL),
        };
        for reason in Reason::of(signal) {
            // A series that begins with its first loss would hide it from every rate.
            lost.add(0, *reason);
        }
        lost
    }

    pub(super) fn count(&self, count: usize, reason: Reason, why: &str) {
        self.add(count, reason);
        if let Some(suppressed) = self.repeats.permit(reason.name(), Instant::now()) {
            // It is written and not sent: what tells of lost log records would be lost as well.
            let _not_sent = Context::enter_telemetry_suppressed_scope();
            let (signal, reason) = (self.signal.name(), reason.name());
            tracing::warn!(signal, count, reason, why, suppressed, "telemetry was lost");
        }
    }

    fn add(&self, count: usize, reason: Reason) {
        if let Some(counter) = &self.counter {
            let labels = [
                KeyValue::new("signal", self.signal.name()),
                KeyValue::new("reason", reason.name()),
            ];
            counter.add(count as u64, &labels);
        }
    }
}

// === impl Reason ===

impl Reason {
    /// Those that there are for a signal: metrics wait in no queue, since the next push has them as well.
    fn of(signal: Signal) -> &'static [Self] {
        match signal {
            Signal::Traces | Signal::Logs => &[Self::QueueFull, Self::ExportFailed, Self::Shutdown],
            Signal::Metrics => &[Self::ExportFailed, Self::Shutdown],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::ExportFailed => "export_failed",
            Self::Shutdown => "shutdown",
        }
    }
}
