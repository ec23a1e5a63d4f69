//! What was found, as text and as JSON.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::finding::{Finding, Outcome, Question};
use super::probe::Probed;
use crate::output::printable;

/// What was found about a target.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    target: String,
    /// Whether no question failed.
    ok: bool,
    findings: Vec<Finding>,
    /// How far each address came that was tried.
    addresses: Vec<Reached>,
}

/// How far an address came.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Reached {
    address: String,
    /// The step that failed; absent when none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_at: Option<Question>,
}

// === impl Report ===

impl Report {
    /// The findings in their order, and the addresses that were tried.
    pub(super) fn new(target: &str, findings: Vec<Finding>, probed: &[Probed]) -> Self {
        Self {
            target: target.to_owned(),
            ok: !findings.iter().any(|it| it.outcome == Outcome::Failed),
            findings,
            addresses: probed.iter().map(Reached::from).collect(),
        }
    }

    /// Whether no question failed.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.ok
    }

    /// The answers, in the order of the questions.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// One line for each question, and below one that failed what to do next.
    ///
    /// Ends without a line break.
    #[must_use]
    pub fn text(&self) -> String {
        const WIDTH: usize = 14;
        let mut text = format!("{}\n", printable(&self.target));
        for Finding {
            question,
            outcome,
            says,
            next,
        } in &self.findings
        {
            let (mark, style) = mark(*outcome);
            let title = question.title();
            let _infallible = writeln!(text, "{style}{mark}{style:#} {title:WIDTH$}  {says}");
            for step in next {
                let _infallible = writeln!(text, "    → {step}");
            }
        }
        let failed = self
            .findings
            .iter()
            .filter(|it| it.outcome == Outcome::Failed);
        match failed.count() {
            0 => text.push_str("all is well"),
            failed => {
                let _infallible =
                    write!(text, "{failed} of {} questions failed", self.findings.len());
            }
        }
        text
    }
}

const fn mark(outcome: Outcome) -> (char, Style) {
    match outcome {
        Outcome::Passed => ('✓', AnsiColor::Green.on_default()),
        Outcome::Failed => ('✗', AnsiColor::Red.on_default().bold()),
        Outcome::Skipped => ('•', Style::new().dimmed()),
    }
}

// === impl Reached ===

impl From<&Probed> for Reached {
    fn from(probed: &Probed) -> Self {
        let failed_at = match probed {
            Probed {
                connection: Err(_), ..
            } => Some(Question::Connection),
            Probed {
                tls: Some(Err(_)), ..
            } => Some(Question::Tls),
            Probed {
                http2: Some(Err(_)),
                ..
            } => Some(Question::Http2),
            Probed {
                health: Some(health),
                ..
            } if !health.is_serving() => Some(Question::Health),
            _ => None,
        };
        Self {
            address: probed.address.to_string(),
            failed_at,
        }
    }
}
