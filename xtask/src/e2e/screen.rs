//! What is printed: the story on standard output, errors on standard error.

use anstyle::{AnsiColor, Style};

use super::error::Error;
use super::finding::{Finding, Findings, Outcome};

const TITLE: Style = Style::new().bold();
const QUIET: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const UNKNOWN: Style = AnsiColor::Yellow.on_default().bold();

/// A heading.
pub(super) fn title(text: &str) {
    anstream::println!("\n{TITLE}{text}{TITLE:#}");
}

/// One step.
pub(super) fn step(text: &str) {
    anstream::println!("  {QUIET}·{QUIET:#} {text}");
}

/// Text as it is.
pub(super) fn text(text: &str) {
    anstream::println!("{text}");
}

/// One claim, and whether it held.
pub(super) fn finding(finding: &Finding) {
    let (style, mark) = match finding.outcome {
        Outcome::Held => (GOOD, '✓'),
        Outcome::Broken(_) => (BAD, '✗'),
        Outcome::Skipped(_) => (UNKNOWN, '-'),
    };
    let calls = if finding.calls > 0 {
        format!(" ({} of {} calls failed)", finding.failed, finding.calls)
    } else {
        String::new()
    };
    anstream::println!("  {style}{mark}{style:#} {}{calls}", finding.claim);
    if let Some(reason) = finding.outcome.reason() {
        anstream::println!("    {}: {reason}", finding.outcome.word());
    }
}

/// All claims once more, as a table.
pub(super) fn conclude(findings: &Findings) {
    title("The verdict");
    anstream::println!("{}", findings.table());
}

/// The end without a verdict.
pub(super) fn fail(error: &Error) {
    anstream::eprintln!("\n{BAD}error:{BAD:#} {}", error.chain());
}
