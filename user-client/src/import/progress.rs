//! How far an import is: a bar on a terminal, plain lines elsewhere, or nothing.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use super::Totals;

/// Often enough to look alive, rarely enough to cost nothing.
const BAR_INTERVAL: Duration = Duration::from_millis(200);

/// As often as `load` writes its lines.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Shows how far an import is, on standard error.
#[derive(Debug)]
pub struct Progress {
    kind: Kind,
    length: Option<u64>,
    started: Instant,
}

#[derive(Debug)]
enum Kind {
    Bar(ProgressBar),
    Lines,
    Silent,
}

// === impl Progress ===

impl Progress {
    /// A bar when standard error is a terminal; else lines, or nothing when the result is for a
    /// script. `length` is that of the input in bytes.
    #[must_use]
    pub fn new(length: Option<u64>, is_for_script: bool) -> Self {
        let kind = if io::stderr().is_terminal() {
            Kind::Bar(bar(length))
        } else if is_for_script {
            Kind::Silent
        } else {
            Kind::Lines
        };
        Self {
            kind,
            length,
            started: Instant::now(),
        }
    }

    /// How often to call [`update`](Self::update).
    #[must_use]
    pub const fn interval(&self) -> Duration {
        match self.kind {
            Kind::Bar(_) => BAR_INTERVAL,
            Kind::Lines | Kind::Silent => LINE_INTERVAL,
        }
    }

    /// Shows how far it is now.
    pub fn update(&self, totals: Totals) {
        match &self.kind {
            Kind::Bar(bar) => {
                bar.set_position(totals.offset);
                bar.set_message(rows(totals));
            }
            Kind::Lines => {
                let line = line(self.started.elapsed(), totals, self.length);
                anstream::eprintln!("{line}");
            }
            Kind::Silent => {}
        }
    }

    /// Writes a line that stays, without tearing the bar.
    pub fn say(&self, line: &str) {
        match &self.kind {
            Kind::Bar(bar) => bar.suspend(|| anstream::eprintln!("{line}")),
            Kind::Lines | Kind::Silent => anstream::eprintln!("{line}"),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Kind::Bar(bar) = &self.kind {
            bar.finish_and_clear();
        }
    }
}

fn bar(length: Option<u64>) -> ProgressBar {
    let template = match length {
        Some(_) => "  {wide_bar} {percent:>3} %  {msg}",
        None => "  {elapsed:>4}  {msg}",
    };
    #[expect(clippy::expect_used, reason = "the templates are the two above")]
    let style = ProgressStyle::with_template(template)
        .expect("the template is well-formed")
        .progress_chars("━╸ ");
    let target = ProgressDrawTarget::stderr_with_hz(10);
    ProgressBar::with_draw_target(length, target).with_style(style)
}

/// `12,345 rows sent, 2 malformed`.
fn rows(totals: Totals) -> String {
    let malformed = match totals.malformed {
        0 => String::new(),
        some => format!(", {} malformed", HumanCount(some)),
    };
    format!("{} rows sent{malformed}", HumanCount(totals.sent))
}

/// `  15s 12,345 rows sent, 1.20 MiB of 4.00 MiB`.
fn line(elapsed: Duration, totals: Totals, length: Option<u64>) -> String {
    let length = length.map(|it| format!(" of {}", HumanBytes(it)));
    format!(
        "{:>4}s {}, {}{}",
        elapsed.as_secs(),
        rows(totals),
        HumanBytes(totals.offset),
        length.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is_and_what_was_malformed() {
        let totals = Totals {
            sent: 12_345,
            malformed: 2,
            offset: 1_048_576,
        };
        assert_eq!(
            line(Duration::from_secs(15), totals, Some(4_194_304)),
            "  15s 12,345 rows sent, 2 malformed, 1.00 MiB of 4.00 MiB"
        );
    }
}
