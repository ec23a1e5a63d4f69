//! What the demo prints: the story on standard output, progress on standard error.
//!
//! Colours appear on a terminal only, and not when `NO_COLOR` is set.

use std::cell::RefCell;
use std::io::IsTerminal as _;

use anstyle::{AnsiColor, Style};
use indicatif::ProgressBar;
use service_runtime::chain::Chain;
use user_client::load::{Bar, Limit, Lines, Progress, Report, table};

use super::error::Error;
use super::verdict::{Verdict, Verdicts};

const TITLE: Style = Style::new().bold();
const QUIET: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// The operator's terminal.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    bar: RefCell<Option<ProgressBar>>,
}

// === impl Screen ===

impl Screen {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A heading.
    pub(crate) fn title(&self, text: &str) {
        self.line(&format!("\n{TITLE}{text}{TITLE:#}"));
    }

    /// One line of the story.
    pub(crate) fn say(&self, text: &str) {
        self.line(&format!("  {text}"));
    }

    /// What happens while a run goes on.
    pub(crate) fn event(&self, text: &str) {
        self.line(&format!("  {QUIET}·{QUIET:#} {text}"));
    }

    /// The table of a run.
    pub(crate) fn table(&self, report: &Report) {
        self.line("");
        for line in table::report(report).lines() {
            self.line(format!("  {line}").trim_end());
        }
        self.line("");
    }

    /// One claim, and whether it held.
    pub(crate) fn verdict(&self, verdict: &Verdict) {
        let (style, mark) = if verdict.held {
            (GOOD, '✓')
        } else {
            (BAD, '✗')
        };
        self.line(&format!("  {style}{mark}{style:#} {}", verdict.text));
    }

    /// Shows how a run goes: a bar on a terminal, a line every few seconds otherwise.
    pub(crate) fn progress(&self, limit: Limit) -> Box<dyn Progress> {
        if std::io::stderr().is_terminal() {
            let bar = Bar::new(limit);
            self.bar.replace(Some(bar.handle()));
            Box::new(bar)
        } else {
            Box::new(Lines::new(std::io::stderr()))
        }
    }

    /// The end: every verdict once more.
    pub(crate) fn conclude(&self, verdicts: &Verdicts) {
        self.title("The verdict");
        for verdict in verdicts.iter() {
            self.verdict(verdict);
        }
    }

    /// The end without a verdict: the error and its causes.
    pub(crate) fn fail(&self, error: &Error) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        anstream::eprintln!("\n{BAD}error:{BAD:#} {}", Chain(error));
    }

    /// Writes above the bar, if there is one.
    fn line(&self, text: &str) {
        let print = || anstream::println!("{text}");
        match &*self.bar.borrow() {
            Some(bar) if !bar.is_finished() => bar.suspend(print),
            _ => print(),
        }
    }
}
