//! How many calls there are, how they end and how long they take: the instruments
//! [`CALL_STARTED`] and [`CALL_DURATION`], as gRFC A66 defines them.
//!
//! The methods that are served have labels of their own; all others share one, since whoever calls
//! could invent as many as there is memory for. Where a measurement belongs is looked up once for each
//! method and code, and not for every call: the instruments are bound to their labels.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use foldhash::{HashMap, HashMapExt as _};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundCounter, BoundHistogram, Counter, Histogram, Meter};
use tonic::Code;

use crate::methods::Method;
use crate::telemetry::instruments::{CALL_DURATION, CALL_STARTED};

/// The label of methods that are not served.
const OTHER: &str = "other";

/// The buckets that A66 gives for latencies, in seconds.
const LATENCIES: [f64; 41] = [
    0.0, 0.000_01, 0.000_05, 0.000_1, 0.000_3, 0.000_6, 0.000_8, 0.001, 0.002, 0.003, 0.004, 0.005,
    0.006, 0.008, 0.01, 0.013, 0.016, 0.02, 0.025, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16,
    0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0,
];

/// The names of gRPC's status codes, each at the place of its number.
pub(crate) const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Measures the calls of one server. Clones share the instruments.
#[derive(Clone)]
pub struct Calls(Arc<Inner>);

struct Inner {
    duration: Histogram<f64>,
    /// By path: where in `series` the method is.
    methods: HashMap<String, usize>,
    /// Those of the methods; the first are [`OTHER`]'s.
    series: Vec<Series>,
}

/// The series of one method.
struct Series {
    method: KeyValue,
    started: BoundCounter<u64>,
    /// By code. Bound with its first call: a histogram of what never happens would be shown empty.
    finished: [OnceLock<BoundHistogram<f64>>; CODES.len()],
}

/// A call that is under way.
pub(super) struct Started {
    calls: Arc<Inner>,
    method: usize,
}

// === impl Calls ===

impl Calls {
    /// Measures calls of these methods, and all others as one.
    #[must_use]
    pub fn new(meter: &Meter, methods: &[Method]) -> Self {
        let started = CALL_STARTED.counter(meter);
        let mut series = vec![Series::of(OTHER, &started)];
        let mut places = HashMap::with_capacity(methods.len());
        for method in methods {
            places.insert(method.path.clone(), series.len());
            series.push(Series::of(method.path.trim_start_matches('/'), &started));
        }
        Self(Arc::new(Inner {
            duration: CALL_DURATION.histogram(meter, &LATENCIES),
            methods: places,
            series,
        }))
    }

    pub(super) fn start(&self, path: &str) -> Started {
        let method = self.0.methods.get(path).copied().unwrap_or_default();
        self.0.series[method].started.add(1);
        Started {
            calls: self.0.clone(),
            method,
        }
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

// === impl Series ===

impl Series {
    fn of(method: &str, started: &Counter<u64>) -> Self {
        let method = KeyValue::new("grpc.method", method.to_owned());
        let started = started.bind(std::slice::from_ref(&method));
        // A series that begins with its first call would hide that call from every rate.
        started.add(0);
        Self {
            method,
            started,
            finished: Default::default(),
        }
    }

    fn finished(&self, code: Code, duration: &Histogram<f64>) -> &BoundHistogram<f64> {
        let code = code as usize;
        self.finished[code].get_or_init(|| {
            let code = KeyValue::new("grpc.status", CODES[code]);
            duration.bind(&[self.method.clone(), code])
        })
    }
}

// === impl Started ===

impl Started {
    pub(super) fn finish(self, code: Code, after: Duration) {
        let Inner {
            duration, series, ..
        } = &*self.calls;
        series[self.method]
            .finished(code, duration)
            .record(after.as_secs_f64());
    }
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_name() {
        for (number, name) in (0..).zip(CODES) {
            let debug = format!("{:?}", Code::from(number)).to_uppercase();
            assert_eq!(name.replace('_', ""), debug, "code {number}");
        }
    }
}
