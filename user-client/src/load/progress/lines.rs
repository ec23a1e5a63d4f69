//! A line every few seconds, for logs: what the client in the cluster shows of its spread.

use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use indicatif::HumanCount;
use serde::Serialize;

use super::Progress;
use crate::load::Report;
use crate::load::json::Document;
use crate::load::table::latency;
use crate::output::Format;

/// A log stays readable, and still shows a rollout while it happens.
const INTERVAL: Duration = Duration::from_secs(5);

/// One line for every interval: the calls since the line before, their spread and their latency.
#[derive(Debug)]
pub struct Lines<W> {
    out: W,
    interval: Duration,
    format: Format,
    /// When the line before was written, counted from the start of the run.
    before: Duration,
}

/// A line for machines: an object of its own kind, so that it is told from the report at the end.
#[derive(Serialize)]
struct Interval<'a> {
    interval: Document<'a>,
}

// === impl Lines ===

impl<W: Write> Lines<W> {
    /// Writes text to `out`, every five seconds. A line that cannot be written is lost; the run goes
    /// on.
    pub const fn new(out: W) -> Self {
        Self {
            out,
            interval: INTERVAL,
            format: Format::Text,
            before: Duration::ZERO,
        }
    }

    /// The same this often. More than zero.
    #[must_use]
    pub const fn every(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// The same in this form. JSON is `{"interval": …}` with what the report at the end has, counted
    /// since the line before.
    #[must_use]
    pub const fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }
}

impl<W: Write + Send> Progress for Lines<W> {
    fn interval(&self) -> Duration {
        self.interval
    }

    fn update(&mut self, total: &Report, recent: &Report) {
        let line = match self.format {
            Format::Text => line(total.elapsed, recent),
            Format::Json => json(total.elapsed.saturating_sub(self.before), recent),
        };
        self.before = total.elapsed;
        let _lost = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
    }

    fn finish(&mut self, _total: &Report) {}
}

/// `{"interval":{"calls":250,…}}`, where the calls took this long.
fn json(elapsed: Duration, recent: &Report) -> String {
    let mut recent = recent.clone();
    recent.elapsed = elapsed;
    let interval = Interval {
        interval: Document::from(&recent),
    };
    // Numbers and text always have a JSON form; without one the line would be empty.
    serde_json::to_string(&interval).unwrap_or_default()
}

/// `15s 250 calls, 0 failed, p50 1.1 ms, p99 3.2 ms: pod-a 84, pod-b 83, pod-c 83`.
fn line(elapsed: Duration, recent: &Report) -> String {
    let overall = recent.overall();
    let mut line = format!(
        "{:>4}s {} calls, {} failed, p50 {}, p99 {}",
        elapsed.as_secs(),
        HumanCount(overall.calls()),
        HumanCount(recent.failed()),
        latency(overall.latency(0.5)),
        latency(overall.latency(0.99)),
    );
    let replicas = recent
        .replicas
        .iter()
        .map(|(name, tally)| (crate::output::printable(name), tally.calls()));
    let unattributed = (recent.unattributed.calls() > 0)
        .then(|| ("(no replica)".into(), recent.unattributed.calls()));
    for (index, (name, calls)) in replicas.chain(unattributed).enumerate() {
        let separator = if index == 0 { ": " } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(line, "{separator}{name} {}", HumanCount(calls));
    }
    for failure in recent.failures.values() {
        let _ = write!(
            line,
            "; {} x {}: {}",
            crate::status::name(failure.code),
            HumanCount(failure.count),
            crate::output::printable(&failure.sample)
        );
    }
    line
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;
    use crate::load::Answer;

    #[test]
    fn a_line_shows_the_spread_and_the_reason_of_a_failure() {
        let mut recent = Report::default();
        for name in ["pod-a", "pod-b", "pod-a"] {
            recent.record(&Answer::new(Some(name), None), Duration::from_millis(2));
        }
        let gone = Status::unavailable("connection\nrefused");
        recent.record(&Answer::new(None, Some(gone)), Duration::ZERO);
        assert_eq!(
            line(Duration::from_secs(15), &recent),
            "  15s 4 calls, 1 failed, p50 2.00 ms, p99 2.00 ms: pod-a 2, pod-b 1, \
             (no replica) 1; UNAVAILABLE x 1: connection\\nrefused",
            "the log must show the spread, and stay one line whatever a server sends"
        );
    }
    #[test]
    fn a_line_for_machines_counts_since_the_line_before() {
        let mut recent = Report::default();
        recent.record(&Answer::new(Some("pod-a"), None), Duration::from_millis(2));
        let mut written = Vec::new();
        let mut lines = Lines::new(&mut written).format(Format::Json);
        for seconds in [1, 3] {
            let total = Report {
                elapsed: Duration::from_secs(seconds),
                ..Report::default()
            };
            lines.update(&total, &recent);
        }
        let documents: Vec<serde_json::Value> = String::from_utf8(written)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).expect("every line must be one JSON object"))
            .collect();
        assert_eq!(documents[0]["interval"]["replicas"][0]["name"], "pod-a");
        assert_eq!(documents[1]["interval"]["calls"], 1);
        assert_eq!(
            documents[1]["interval"]["elapsedSeconds"], 2.0,
            "the second line is about the two seconds after the first"
        );
    }
}
