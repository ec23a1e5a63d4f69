//! Spans that did not arrive, counted, and told of now and then.

use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Meter};

use crate::repeats::Repeats;
use crate::telemetry::instruments::SPANS_LOST;

/// How often the log says it.
const INTERVAL: Duration = Duration::from_secs(30);

/// Counts lost spans.
#[derive(Debug)]
pub(super) struct Lost {
    counter: Option<Counter<u64>>,
    repeats: Repeats,
}

/// Why spans are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The collector is slower than the calls.
    QueueFull,
    /// It did not take them.
    ExportFailed,
    /// They were still there when the process ended.
    Shutdown,
}

// === impl Lost ===

impl Lost {
    pub(super) fn new(meter: Option<&Meter>) -> Self {
        let counter = meter.map(|meter| SPANS_LOST.counter(meter));
        if let Some(counter) = &counter {
            for reason in Reason::ALL {
                // A series that begins with its first loss would hide it from every rate.
                counter.add(0, &reason.labels());
            }
        }
        Self {
            counter,
            repeats: Repeats::every(INTERVAL),
        }
    }

    pub(super) fn count(&self, spans: usize, reason: Reason, why: &str) {
        if let Some(counter) = &self.counter {
            counter.add(spans as u64, &reason.labels());
        }
        if let Some(suppressed) = self.repeats.permit(reason.name(), Instant::now()) {
            let reason = reason.name();
            tracing::warn!(spans, reason, why, suppressed, "spans were lost");
        }
    }
}

// === impl Reason ===

impl Reason {
    const ALL: [Self; 3] = [Self::QueueFull, Self::ExportFailed, Self::Shutdown];

    fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::ExportFailed => "export_failed",
            Self::Shutdown => "shutdown",
        }
    }

    fn labels(self) -> [KeyValue; 1] {
        [KeyValue::new("reason", self.name())]
    }
}
