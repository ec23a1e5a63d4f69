//! Plain lines every few seconds, for logs: what the client in the cluster shows of its spread.

use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use indicatif::HumanCount;

use super::Progress;
use crate::load::Report;
use crate::load::table::latency;

/// A log stays readable, and still shows a rollout while it happens.
const INTERVAL: Duration = Duration::from_secs(5);

/// One line for every interval: the calls since the line before, their spread and their latency.
#[derive(Debug)]
pub struct Lines<W> {
    out: W,
}

// === impl Lines ===

impl<W: Write> Lines<W> {
    /// Writes to `out`. A line that cannot be written is lost; the run goes on.
    pub const fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write + Send> Progress for Lines<W> {
    fn interval(&self) -> Duration {
        INTERVAL
    }

    fn update(&mut self, total: &Report, recent: &Report) {
        let line = line(total.elapsed, recent);
        let _lost = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
    }

    fn finish(&mut self, _total: &Report) {}
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
}
