//! A progress bar on standard error, for people who wait; it is gone when the run is over.

use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Progress;
use crate::load::{Limit, Report};

/// Often enough to look alive, rarely enough to cost nothing.
const INTERVAL: Duration = Duration::from_millis(200);

/// Redraws only on an update.
const DRAWS_PER_SECOND: u8 = 10;

/// A progress bar on standard error; it draws nothing when that is no terminal.
#[derive(Debug)]
pub struct Bar {
    bar: ProgressBar,
    limit: Limit,
}

// === impl Bar ===

impl Bar {
    /// A bar that is full when `limit` is reached.
    #[must_use]
    pub fn new(limit: Limit) -> Self {
        Self::with_target(limit, ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND))
    }

    /// The bar itself, to write lines without tearing it: see [`ProgressBar::suspend`].
    #[must_use]
    pub fn handle(&self) -> ProgressBar {
        self.bar.clone()
    }

    fn with_target(limit: Limit, target: ProgressDrawTarget) -> Self {
        let (length, template) = match limit {
            Limit::Calls(calls) => (Some(calls), "  {wide_bar} {percent:>3} %  {msg}"),
            Limit::Elapsed(time) => (Some(millis(time)), "  {wide_bar} {elapsed:>4}  {msg}"),
            Limit::Never => (None, "  {elapsed:>4}  {msg}"),
        };
        #[expect(clippy::expect_used, reason = "the templates are the three above")]
        let style = ProgressStyle::with_template(template)
            .expect("the template is well-formed")
            .progress_chars("━╸ ");
        let bar = ProgressBar::with_draw_target(length, target).with_style(style);
        bar.tick();
        Self { bar, limit }
    }
}

impl Progress for Bar {
    fn interval(&self) -> Duration {
        INTERVAL
    }

    fn update(&mut self, total: &Report, _recent: &Report) {
        self.bar.set_message(format!(
            "{} calls, {}/s, {} failed, replicas: {}",
            HumanCount(total.calls()),
            HumanCount(total.calls_per_second()),
            HumanCount(total.failed()),
            total.replicas.len(),
        ));
        match self.limit {
            Limit::Calls(_) => self.bar.set_position(total.calls()),
            Limit::Elapsed(time) => self.bar.set_position(millis(total.elapsed.min(time))),
            Limit::Never => self.bar.tick(),
        }
    }

    fn finish(&mut self, _total: &Report) {
        self.bar.finish_and_clear();
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
