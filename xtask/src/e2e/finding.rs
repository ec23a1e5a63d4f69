//! What a scenario found, and the table of all findings: pure.

use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use indicatif::HumanCount;

use super::ledger::Counts;

/// The table is for a terminal, a log and a README alike.
const WIDTH: u16 = 120;

/// A claim, and whether it held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// The claim, with the figures that decide it.
    pub(super) claim: String,
    /// The calls that were made meanwhile.
    pub(super) calls: u64,
    /// How many of them failed.
    pub(super) failed: u64,
    pub(super) outcome: Outcome,
}

/// Whether a claim held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Held,
    /// It did not, for this reason.
    Broken(String),
    /// This cluster cannot tell, for this reason.
    Skipped(String),
}

/// The findings of the whole run.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings(Vec<Row>);

#[derive(Clone, Debug)]
struct Row {
    scenario: String,
    finding: Finding,
    took: Duration,
}

// === impl Finding ===

impl Finding {
    /// A claim that needs no calls.
    pub(super) fn new(claim: impl Into<String>, outcome: Outcome) -> Self {
        Self {
            claim: claim.into(),
            calls: 0,
            failed: 0,
            outcome,
        }
    }

    pub(super) fn held(claim: impl Into<String>) -> Self {
        Self::new(claim, Outcome::Held)
    }

    pub(super) fn broken(claim: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(claim, Outcome::Broken(reason.into()))
    }

    pub(super) fn skipped(claim: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(claim, Outcome::Skipped(reason.into()))
    }

    /// Calls were made meanwhile, and none of them failed.
    pub(super) fn none_failed(claim: impl Into<String>, counts: &Counts) -> Self {
        let outcome = if counts.calls == 0 {
            Outcome::Broken("no call was made meanwhile".to_owned())
        } else if counts.failed > 0 {
            Outcome::Broken(format!("calls failed: {}", counts.reasons()))
        } else {
            Outcome::Held
        };
        Self::new(claim, outcome).with(counts)
    }

    /// The same with the calls that were made.
    pub(super) const fn with(mut self, counts: &Counts) -> Self {
        self.calls = counts.calls;
        self.failed = counts.failed;
        self
    }

    /// The same, but broken unless this holds.
    pub(super) fn and(mut self, holds: bool, or_else: impl Into<String>) -> Self {
        if !holds && self.outcome == Outcome::Held {
            self.outcome = Outcome::Broken(or_else.into());
        }
        self
    }

    pub(super) const fn is_broken(&self) -> bool {
        matches!(self.outcome, Outcome::Broken(_))
    }
}

// === impl Outcome ===

impl Outcome {
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Broken(_) => "BROKEN",
            Self::Skipped(_) => "SKIPPED",
        }
    }

    /// Why it is not [`Outcome::Held`].
    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            Self::Held => None,
            Self::Broken(reason) | Self::Skipped(reason) => Some(reason),
        }
    }
}

// === impl Findings ===

impl Findings {
    pub(super) fn add(&mut self, scenario: &str, finding: Finding, took: Duration) {
        self.0.push(Row {
            scenario: scenario.to_owned(),
            finding,
            took,
        });
    }

    /// Whether something held and nothing was broken.
    pub(super) fn all_held(&self) -> bool {
        let held = |row: &Row| row.finding.outcome == Outcome::Held;
        self.0.iter().any(held) && !self.0.iter().any(|row| row.finding.is_broken())
    }

    /// One row per finding, and below the reasons of those that did not hold.
    pub(super) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(WIDTH);
        table.set_header(["SCENARIO", "CLAIM", "CALLS", "FAILED", "RESULT", "TIME"]);
        for Row {
            scenario,
            finding,
            took,
        } in &self.0
        {
            let count = |count| {
                if finding.calls == 0 {
                    "-".to_owned()
                } else {
                    HumanCount(count).to_string()
                }
            };
            table.add_row([
                scenario.clone(),
                finding.claim.clone(),
                count(finding.calls),
                count(finding.failed),
                finding.outcome.word().to_owned(),
                format!("{:.1} s", took.as_secs_f64()),
            ]);
        }
        for column in [2, 3, 5] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let reasons = self.0.iter().filter_map(|row| {
            let (word, reason) = (row.finding.outcome.word(), row.finding.outcome.reason()?);
            Some(format!("{} {word}: {reason}", row.scenario))
        });
        let table = table.trim_fmt();
        std::iter::once(table)
            .chain(reasons)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(calls: u64, failed: u64) -> Counts {
        let failures =
            (failed > 0).then(|| ("UNAVAILABLE".to_owned(), (failed, "gone".to_owned())));
        Counts {
            calls,
            failed,
            failures: failures.into_iter().collect(),
            ..Counts::default()
        }
    }

    fn findings(outcomes: impl IntoIterator<Item = Outcome>) -> Findings {
        let mut findings = Findings::default();
        for outcome in outcomes {
            findings.add(
                "scale",
                Finding::new("a claim", outcome),
                Duration::from_secs(2),
            );
        }
        findings
    }

    #[test]
    fn no_failure_means_that_there_were_calls() {
        let finding = |calls, failed| Finding::none_failed("", &counts(calls, failed)).outcome;
        assert_eq!(finding(5, 0), Outcome::Held);
        assert!(
            matches!(finding(0, 0), Outcome::Broken(_)),
            "no call proves nothing"
        );
        let Outcome::Broken(reason) = finding(5, 1) else {
            panic!("a failed call breaks the claim");
        };
        assert!(
            reason.contains("UNAVAILABLE x 1 (the first: gone)"),
            "{reason}"
        );
    }

    #[test]
    fn a_second_condition_can_break_a_finding_and_not_mend_it() {
        let held = Finding::held("");
        assert!(!held.clone().and(true, "").is_broken());
        assert!(held.and(false, "why").is_broken());
        let broken = Finding::broken("", "first").and(false, "second");
        assert_eq!(
            broken.outcome.reason(),
            Some("first"),
            "the first reason stays"
        );
        assert!(broken.and(true, "").is_broken());
    }

    #[test]
    fn a_run_holds_when_something_held_and_nothing_broke() {
        let skipped = || Outcome::Skipped("no metrics".to_owned());
        let broken = || Outcome::Broken("one".to_owned());
        assert!(findings([Outcome::Held, skipped()]).all_held());
        assert!(!findings([Outcome::Held, broken()]).all_held());
        assert!(
            !findings([skipped()]).all_held(),
            "nothing was seen to hold"
        );
        assert!(!findings([]).all_held());
    }

    #[test]
    fn the_table_tells_the_reason_of_what_did_not_hold() {
        let mut findings = findings([Outcome::Skipped("no metrics".to_owned())]);
        let load = Finding::none_failed("no call fails", &counts(1_234, 0));
        findings.add("rollout", load, Duration::from_millis(1_500));
        let table = findings.table();
        for part in ["1,234", "1.5 s", "held", "scale SKIPPED: no metrics"] {
            assert!(table.contains(part), "{part:?} is missing in\n{table}");
        }
        for line in table.lines() {
            assert!(
                line.chars().count() <= usize::from(WIDTH),
                "too wide: {line}"
            );
        }
    }
}
