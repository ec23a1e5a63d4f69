//! Who is told how a load run goes: a bar on a terminal, plain lines elsewhere, or nobody.

mod bar;
mod lines;

use std::time::Duration;

pub use self::bar::Bar;
pub use self::lines::Lines;
use super::Report;

/// Is told how a run goes.
///
/// The engine calls it between two samples, on the task that runs the plan: it may write to a
/// terminal, but must not wait for anything else.
pub trait Progress: Send {
    /// How often [`update`](Self::update) is called. Longer than zero.
    fn interval(&self) -> Duration;

    /// The run so far, and the part of it since the last update.
    fn update(&mut self, total: &Report, recent: &Report);

    /// The run is over.
    fn finish(&mut self, total: &Report);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

// === impl Silent ===

impl Progress for Silent {
    fn interval(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn update(&mut self, _total: &Report, _recent: &Report) {}

    fn finish(&mut self, _total: &Report) {}
}
