//! What a load has counted, read from its log: pure, so that the reading can be tested.
//!
//! The client prints `{"interval": …}` for every interval, and at the end one report of the whole.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Deserialize;

/// What was counted in some time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// How many calls were answered, well or badly.
    pub(super) calls: u64,
    /// How many of them failed, or were dropped unanswered.
    pub(super) failed: u64,
    /// The calls by the pod that answered them.
    pub(super) pods: BTreeMap<String, u64>,
    /// The failed calls by code: how many, and the message of the first.
    pub(super) failures: BTreeMap<String, (u64, String)>,
}

/// One interval, and when it was heard of.
#[derive(Clone, Debug)]
pub(super) struct Interval {
    pub(super) heard: Instant,
    pub(super) counts: Counts,
}

/// All that a load has said so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    pub(super) intervals: Vec<Interval>,
    /// The report at the end.
    pub(super) total: Option<Counts>,
    /// Lines that are neither.
    pub(super) noise: Vec<String>,
    /// Whether nothing more comes.
    pub(super) ended: bool,
}

/// A time in which calls failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outage {
    pub(super) from: Instant,
    pub(super) until: Instant,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    calls: u64,
    failed: u64,
    #[serde(default)]
    abandoned: u64,
    replicas: Vec<Replica>,
    #[serde(default)]
    failures: BTreeMap<String, Failure>,
}

#[derive(Deserialize)]
struct Replica {
    name: Option<String>,
    calls: u64,
}

#[derive(Deserialize)]
struct Failure {
    count: u64,
    sample: String,
}

#[derive(Deserialize)]
struct Line {
    interval: Document,
}

// === impl Ledger ===

impl Ledger {
    /// Takes the next line of the log.
    pub(super) fn hear(&mut self, line: &str, now: Instant) {
        if let Ok(line) = serde_json::from_str::<Line>(line) {
            self.intervals.push(Interval {
                heard: now,
                counts: line.interval.into(),
            });
        } else if let Some(total) = Counts::of_report(line) {
            self.total = Some(total);
        } else if !line.trim().is_empty() {
            self.noise.push(line.to_owned());
        }
    }

    /// What was counted in the intervals from this one on.
    pub(super) fn since(&self, first: usize) -> Counts {
        let mut sum = Counts::default();
        for interval in self.intervals.iter().skip(first) {
            sum.add(&interval.counts);
        }
        sum
    }

    /// When this pod was first heard of, in the intervals from this one on, with at least half of an
    /// even share of the calls: an interval begins and ends in the middle of a round.
    pub(super) fn share_of(&self, pod: &str, first: usize) -> Option<Instant> {
        let has_share = |counts: &Counts| {
            let own = counts.pods.get(pod).copied().unwrap_or(0);
            let pods = u64::try_from(counts.pods.len()).unwrap_or(u64::MAX);
            own > 0 && own.saturating_mul(pods).saturating_mul(2) >= counts.calls
        };
        let mut intervals = self.intervals.iter().skip(first);
        Some(intervals.find(|it| has_share(&it.counts))?.heard)
    }

    /// From the first to the last of these intervals in which a call failed.
    pub(super) fn outage(&self, first: usize) -> Option<Outage> {
        let failed = |it: &&Interval| it.counts.failed > 0;
        let of_interest = self.intervals.get(first..)?;
        Some(Outage {
            from: of_interest.iter().find(failed)?.heard,
            until: of_interest.iter().rfind(failed)?.heard,
        })
    }

    /// The calls that succeeded while an outage lasted.
    pub(super) fn succeeded_during(&self, outage: Outage) -> u64 {
        let within = |it: &&Interval| (outage.from..=outage.until).contains(&it.heard);
        let calls = self.intervals.iter().filter(within);
        calls.map(|it| it.counts.calls - it.counts.failed).sum()
    }
}

// === impl Counts ===

impl Counts {
    /// Reads the report that the client ends with.
    pub(super) fn of_report(line: &str) -> Option<Self> {
        let document: Document = serde_json::from_str(line).ok()?;
        Some(document.into())
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.failed += other.failed;
        for (pod, calls) in &other.pods {
            *self.pods.entry(pod.clone()).or_default() += calls;
        }
        for (code, (count, sample)) in &other.failures {
            let failure = self.failures.entry(code.clone());
            failure.or_insert_with(|| (0, sample.clone())).0 += count;
        }
    }

    /// The difference between the pod with the most calls and the one with the fewest.
    pub(super) fn imbalance(&self) -> u64 {
        let most = self.pods.values().max().copied().unwrap_or(0);
        most - self.pods.values().min().copied().unwrap_or(0)
    }

    /// Whether exactly these pods answered.
    pub(super) fn is_spread_over(&self, pods: &[String]) -> bool {
        self.pods.len() == pods.len() && pods.iter().all(|pod| self.pods.contains_key(pod))
    }

    /// Whether all of the failures have one of these codes.
    pub(super) fn only_failed_with(&self, codes: &[&str]) -> bool {
        self.failures
            .keys()
            .all(|code| codes.contains(&code.as_str()))
    }

    /// `UNAVAILABLE x 3 (the first: …)`, for each code; empty when nothing failed.
    pub(super) fn reasons(&self) -> String {
        let reason = |(code, (count, sample)): (&String, &(u64, String))| {
            format!("{code} x {count} (the first: {sample})")
        };
        let reasons: Vec<String> = self.failures.iter().map(reason).collect();
        reasons.join(", ")
    }
}

impl From<Document> for Counts {
    fn from(document: Document) -> Self {
        let named = |it: Replica| Some((it.name?, it.calls));
        Self {
            calls: document.calls + document.abandoned,
            failed: document.failed + document.abandoned,
            pods: document.replicas.into_iter().filter_map(named).collect(),
            failures: document
                .failures
                .into_iter()
                .map(|(code, it)| (code, (it.count, it.sample)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
