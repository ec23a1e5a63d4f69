//! A report as JSON, for machines: one object whose fields only ever grow in number.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::{Report, Tally};

/// The shape of the JSON; latencies are in seconds, as OpenTelemetry has them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document<'a> {
    calls: u64,
    failed: u64,
    abandoned: u64,
    interrupted: bool,
    elapsed_seconds: f64,
    calls_per_second: u64,
    latency_seconds: Option<Latency>,
    replicas: Vec<Replica<'a>>,
    failures: BTreeMap<&'static str, Failure<'a>>,
}

#[derive(Debug, Serialize)]
struct Latency {
    p50: f64,
    p90: f64,
    p99: f64,
    #[serde(rename = "p99.9")]
    p99_9: f64,
    max: f64,
}

/// `name` is null for calls that no replica has put its name to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Replica<'a> {
    name: Option<&'a str>,
    calls: u64,
    failed: u64,
    latency_seconds: Option<Latency>,
}

#[derive(Debug, Serialize)]
struct Failure<'a> {
    count: u64,
    sample: &'a str,
}

// === impl Document ===

impl<'a> From<&'a Report> for Document<'a> {
    fn from(report: &'a Report) -> Self {
        let mut unnamed = report.unattributed.clone();
        unnamed.merge(&report.others);
        let named = report
            .replicas
            .iter()
            .map(|(name, tally)| Replica::new(Some(name), tally));
        let unnamed = (unnamed.calls() > 0).then(|| Replica::new(None, &unnamed));
        Self {
            calls: report.calls(),
            failed: report.failed(),
            abandoned: report.abandoned,
            interrupted: report.interrupted,
            elapsed_seconds: report.elapsed.as_secs_f64(),
            calls_per_second: report.calls_per_second(),
            latency_seconds: Latency::of(&report.overall()),
            replicas: named.chain(unnamed).collect(),
            failures: report
                .failures
                .values()
                .map(|failure| {
                    let entry = Failure {
                        count: failure.count,
                        sample: &failure.sample,
                    };
                    (crate::status::name(failure.code), entry)
                })
                .collect(),
        }
    }
}

// === impl Replica ===

impl<'a> Replica<'a> {
    fn new(name: Option<&'a str>, tally: &Tally) -> Self {
        Self {
            name,
            calls: tally.calls(),
            failed: tally.failed(),
            latency_seconds: Latency::of(tally),
        }
    }
}

// === impl Latency ===

impl Latency {
    /// `None` when no call succeeded.
    fn of(tally: &Tally) -> Option<Self> {
        let at = |quantile| tally.latency(quantile).as_ref().map(Duration::as_secs_f64);
        Some(Self {
            p50: at(0.5)?,
            p90: at(0.9)?,
            p99: at(0.99)?,
            p99_9: at(0.999)?,
            max: at(1.0)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::super::Answer;
    use super::*;

    #[test]
    fn the_document_has_what_a_script_asks_for() {
        let mut report = Report::default();
        report.record(&Answer::new(Some("a"), None), Duration::from_millis(1));
        let refused = Status::unavailable("refused");
        report.record(&Answer::new(None, Some(refused)), Duration::ZERO);
        report.elapsed = Duration::from_secs(2);
        let json = serde_json::to_value(Document::from(&report)).unwrap();
        assert_eq!(json["calls"], 2);
        assert_eq!(json["failed"], 1);
        assert_eq!(json["callsPerSecond"], 1);
        assert_eq!(json["latencySeconds"]["p99.9"], 0.001);
        assert_eq!(json["replicas"][0]["name"], "a");
        assert_eq!(json["replicas"][1]["name"], serde_json::Value::Null);
        assert_eq!(json["failures"]["UNAVAILABLE"]["sample"], "refused");
    }
}
