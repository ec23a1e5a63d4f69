//! What a load run found: pure counting and merging, no clock and no output.

use std::collections::BTreeMap;
use std::time::Duration;

use tonic::Code;

use super::{Answer, Tally};

/// A run may last for months while replicas come and go, each under a new name. From this many names
/// on, those that are silent are folded into [`Report::others`].
const MAX_REPLICAS: usize = 256;

/// What a load run found, or a part of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What each replica answered, by the name that it gives itself in `x-served-by`.
    pub replicas: BTreeMap<String, Tally>,
    /// What cannot be put down to a replica: calls that reached none, and answers without the header.
    pub unattributed: Tally,
    /// Replicas that answered long ago, when there were too many to keep apart.
    pub others: Tally,
    /// The failed calls by code.
    pub failures: BTreeMap<i32, Failure>,
    /// Calls that were dropped unanswered because the run was cancelled; counted nowhere else.
    pub abandoned: u64,
    /// How long the run took.
    pub elapsed: Duration,
    /// Whether the run was cancelled before it reached its limit; one without a limit never is.
    pub interrupted: bool,
}

/// The failed calls that share a code.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The code.
    pub code: Code,
    /// How many calls.
    pub count: u64,
    /// The message of the first one.
    pub sample: String,
}

// === impl Report ===

impl Report {
    /// Counts one answer that took `latency`.
    pub fn record(&mut self, answer: &Answer, latency: Duration) {
        let tally = match answer.served_by() {
            None => &mut self.unattributed,
            Some(name) => tally_of(&mut self.replicas, name),
        };
        match answer.failure() {
            None => tally.succeed(latency),
            Some(status) => {
                tally.fail();
                self.failures
                    .entry(status.code() as i32)
                    .or_insert_with(|| Failure {
                        code: status.code(),
                        count: 0,
                        sample: status.message().to_owned(),
                    })
                    .count += 1;
            }
        }
    }

    /// Adds another report's counts to this one's.
    pub fn merge(&mut self, other: &Self) {
        for (name, tally) in &other.replicas {
            match self.replicas.get_mut(name) {
                Some(known) => known.merge(tally),
                None => {
                    self.replicas.insert(name.clone(), tally.clone());
                }
            }
        }
        self.unattributed.merge(&other.unattributed);
        self.others.merge(&other.others);
        for (code, failure) in &other.failures {
            match self.failures.get_mut(code) {
                Some(known) => known.count += failure.count,
                None => {
                    self.failures.insert(*code, failure.clone());
                }
            }
        }
        self.abandoned += other.abandoned;
    }

    /// Adds the latest part of the same run, and folds replicas that have fallen silent when there
    /// are too many.
    pub fn absorb(&mut self, recent: &Self) {
        self.merge(recent);
        if self.replicas.len() > MAX_REPLICAS {
            let others = &mut self.others;
            self.replicas.retain(|name, tally| {
                let speaks = recent.replicas.contains_key(name);
                if !speaks {
                    others.merge(tally);
                }
                speaks
            });
        }
    }

    /// All tallies as one.
    #[must_use]
    pub fn overall(&self) -> Tally {
        let mut overall = self.unattributed.clone();
        overall.merge(&self.others);
        for tally in self.replicas.values() {
            overall.merge(tally);
        }
        overall
    }

    /// How many calls were answered, well or badly.
    #[must_use]
    pub fn calls(&self) -> u64 {
        let replicas: u64 = self.replicas.values().map(Tally::calls).sum();
        replicas + self.unattributed.calls() + self.others.calls()
    }

    /// How many calls failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.values().map(|failure| failure.count).sum()
    }

    /// How many calls were answered per second of the run, rounded down.
    #[must_use]
    pub fn calls_per_second(&self) -> u64 {
        let nanos = self.elapsed.as_nanos().max(1);
        let rate = u128::from(self.calls()) * 1_000_000_000 / nanos;
        u64::try_from(rate).unwrap_or(u64::MAX)
    }

    /// The difference between the replica with the most calls and the one with the fewest; 0 when
    /// fewer than two replicas answered.
    #[must_use]
    pub fn imbalance(&self) -> u64 {
        let calls = || self.replicas.values().map(Tally::calls);
        calls().max().unwrap_or(0) - calls().min().unwrap_or(0)
    }
}

/// The tally of this replica; only a name that is new costs an allocation.
fn tally_of<'a>(replicas: &'a mut BTreeMap<String, Tally>, name: &str) -> &'a mut Tally {
    if !replicas.contains_key(name) {
        replicas.insert(name.to_owned(), Tally::default());
    }
    #[expect(clippy::expect_used, reason = "inserted above when it was missing")]
    replicas.get_mut(name).expect("the name is known")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tonic::Status;

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn report(answers: &[(Option<&str>, Option<Code>)]) -> Report {
        let mut report = Report::default();
        for (replica, code) in answers {
            let failure = code.map(|code| Status::new(code, "the reason"));
            report.record(&Answer::new(*replica, failure), MILLISECOND);
        }
        report
    }

    #[test]
    fn calls_are_counted_where_they_were_answered() {
        let report = report(&[
            (Some("a"), None),
            (Some("a"), Some(Code::NotFound)),
            (Some("b"), None),
            (None, Some(Code::Unavailable)),
        ]);
        assert_eq!(report.replicas["a"].calls(), 2);
        assert_eq!(report.replicas["a"].failed(), 1);
        assert_eq!(report.replicas["b"].calls(), 1);
        assert_eq!(report.unattributed.failed(), 1);
        assert_eq!((report.calls(), report.failed()), (4, 2));
        assert_eq!(report.imbalance(), 1);
        let failure = &report.failures[&(Code::Unavailable as i32)];
        assert_eq!((failure.count, failure.sample.as_str()), (1, "the reason"));
    }

    #[test]
    fn a_failed_call_does_not_make_the_latency_look_better() {
        let mut report = Report::default();
        report.record(&Answer::new(Some("a"), None), MILLISECOND * 80);
        let refused = Status::unavailable("refused");
        report.record(&Answer::new(Some("a"), Some(refused)), Duration::ZERO);
        let p50 = report.overall().latency(0.5).expect("one call succeeded");
        assert!(
            p50 >= MILLISECOND * 79,
            "only the successful call counts, not {p50:?}"
        );
    }

    #[test]
    fn a_run_that_sees_thousands_of_pods_stays_bounded_and_loses_no_call() {
        let mut total = Report::default();
        for generation in 0..2_000 {
            let names = [format!("old-{generation}"), "steady".to_owned()];
            let answers: Vec<_> = names
                .iter()
                .map(|name| (Some(name.as_str()), None))
                .collect();
            total.absorb(&report(&answers));
        }
        assert!(
            total.replicas.len() <= MAX_REPLICAS,
            "names must be bounded"
        );
        assert_eq!(total.calls(), 4_000, "folding must keep every count");
        assert_eq!(
            total.replicas["steady"].calls(),
            2_000,
            "a live replica stays apart"
        );
    }

    proptest! {
        #[test]
        fn merging_parts_equals_counting_the_whole(
            answers in prop::collection::vec((0..4_usize, any::<bool>()), 0..200),
            cut in 0..200_usize,
        ) {
            let names = [None, Some("a"), Some("b"), Some("c")];
            let answers: Vec<_> = answers
                .into_iter()
                .map(|(name, fails)| (names[name], fails.then_some(Code::Aborted)))
                .collect();
            let (left, right) = answers.split_at(cut.min(answers.len()));
            let mut merged = report(left);
            merged.merge(&report(right));
            let whole = report(&answers);
            prop_assert_eq!(merged.calls(), whole.calls());
            prop_assert_eq!(merged.failed(), whole.failed());
            for (name, tally) in &whole.replicas {
                prop_assert_eq!(merged.replicas[name].calls(), tally.calls());
            }
        }
    }
}
