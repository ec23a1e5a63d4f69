//! Claims, and whether they held: pure, so that a claim can be tested against reports that break it.

use indicatif::HumanCount;
use user_client::load::{Report, Tally};

/// A claim and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Whether the claim held.
    pub(crate) held: bool,
    /// The claim, with the figures that decide it.
    pub(crate) text: String,
}

/// The verdicts of the whole demo.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdicts(Vec<Verdict>);

// === impl Verdicts ===

impl Verdicts {
    pub(crate) fn add(&mut self, verdict: Verdict) {
        self.0.push(verdict);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Verdict> {
        self.0.iter()
    }

    /// Whether there was a claim and each one held.
    pub(crate) fn all_held(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|verdict| verdict.held)
    }
}

// === impl Verdict ===

impl Verdict {
    /// Every one of `calls` calls was answered by the same replica.
    pub(crate) fn on_one_replica(report: &Report, calls: u64) -> Self {
        let names: Vec<&str> = report.replicas.keys().map(String::as_str).collect();
        let complete = answered(report, calls);
        Self {
            held: complete && names.len() == 1,
            text: format!(
                "One connection: {} of {} calls on {}",
                HumanCount(succeeded(report)),
                HumanCount(calls),
                match names.as_slice() {
                    [name] => format!("one replica, {name}"),
                    names => format!("{} replicas", names.len()),
                }
            ),
        }
    }

    /// Every one of `calls` calls was answered, by `replicas` replicas whose counts differ by at
    /// most one.
    pub(crate) fn even(when: &str, report: &Report, calls: u64, replicas: usize) -> Self {
        let counts: Vec<u64> = report.replicas.values().map(Tally::calls).collect();
        let fewest = counts.iter().min().copied().unwrap_or(0);
        let most = counts.iter().max().copied().unwrap_or(0);
        let share = if fewest == most {
            HumanCount(most).to_string()
        } else {
            format!("{} to {}", HumanCount(fewest), HumanCount(most))
        };
        Self {
            held: answered(report, calls) && counts.len() == replicas && most - fewest <= 1,
            text: format!(
                "{when}: {} calls, {share} on each of {} replicas",
                HumanCount(succeeded(report)),
                counts.len(),
            ),
        }
    }

    /// Calls were made, and none of them failed while `event` happened.
    pub(crate) fn none_failed(report: &Report, event: &str) -> Self {
        Self {
            held: report.calls() > 0 && report.failed() == 0 && report.abandoned == 0,
            text: format!(
                "{event}: {} of {} calls failed",
                HumanCount(report.failed() + report.abandoned),
                HumanCount(report.calls() + report.abandoned),
            ),
        }
    }
}

/// Whether `calls` calls succeeded, and a replica put its name to each.
fn answered(report: &Report, calls: u64) -> bool {
    report.calls() == calls && report.failed() == 0 && report.unattributed.calls() == 0
}

fn succeeded(report: &Report) -> u64 {
    report.calls() - report.failed()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic::Status;
    use user_client::load::Answer;

    use super::*;

    fn report(counts: &[(&str, u64)], failed: u64) -> Report {
        let mut report = Report::default();
        for (name, calls) in counts {
            for _ in 0..*calls {
                report.record(&Answer::new(Some(name), None), Duration::ZERO);
            }
        }
        for _ in 0..failed {
            let gone = Status::unavailable("gone");
            report.record(&Answer::new(None, Some(gone)), Duration::ZERO);
        }
        report
    }

    #[test]
    fn even_means_that_counts_differ_by_one_at_the_most() {
        let even =
            |counts: &[_], failed, calls| Verdict::even("", &report(counts, failed), calls, 3).held;
        assert!(even(&[("a", 4), ("b", 3), ("c", 3)], 0, 10));
        assert!(
            !even(&[("a", 5), ("b", 3), ("c", 2)], 0, 10),
            "a difference of three"
        );
        assert!(!even(&[("a", 5), ("b", 5)], 0, 10), "a replica is missing");
        assert!(
            !even(&[("a", 3), ("b", 3), ("c", 3)], 1, 10),
            "a call failed"
        );
        assert!(
            !even(&[("a", 3), ("b", 3), ("c", 3)], 0, 10),
            "a call is missing"
        );
        assert!(!even(&[], 0, 0), "no call proves nothing");
    }

    #[test]
    fn one_replica_means_one_and_all_calls() {
        let one = |counts: &[_], failed| Verdict::on_one_replica(&report(counts, failed), 5).held;
        assert!(one(&[("a", 5)], 0));
        assert!(!one(&[("a", 4), ("b", 1)], 0));
        assert!(!one(&[("a", 4)], 1));
    }

    #[test]
    fn a_claim_about_failures_needs_calls() {
        let mut abandoned = report(&[("a", 5)], 0);
        abandoned.abandoned = 1;
        assert!(Verdict::none_failed(&report(&[("a", 5)], 0), "Loss").held);
        assert!(!Verdict::none_failed(&report(&[("a", 5)], 1), "Loss").held);
        assert!(!Verdict::none_failed(&report(&[], 0), "Loss").held);
        assert!(
            !Verdict::none_failed(&abandoned, "Loss").held,
            "a lost call is a failed one"
        );
    }

    #[test]
    fn one_broken_claim_breaks_the_demo() {
        let mut verdicts = Verdicts::default();
        assert!(!verdicts.all_held(), "a demo without a claim shows nothing");
        verdicts.add(Verdict {
            held: true,
            text: String::new(),
        });
        assert!(verdicts.all_held());
        verdicts.add(Verdict {
            held: false,
            text: String::new(),
        });
        assert!(!verdicts.all_held());
    }
}
