//! The time for hyper's keepalive: that of the connection's turn.
//!
//! hyper notes the time of every frame that it reads, so that it knows when to ping. That is four looks at
//! the clock for a call, and all frames of a turn arrived together: one look for each turn is enough.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use hyper_util::rt::TokioTimer;
use tokio::time::Instant as TokioInstant;

/// Clones have the same turn.
#[derive(Clone, Debug)]
pub(super) struct TurnTimer {
    timer: TokioTimer,
    origin: Instant,
    /// When the turn began: nanoseconds after `origin`.
    turn: Arc<AtomicU64>,
}

// === impl TurnTimer ===

impl TurnTimer {
    pub(super) fn new() -> Self {
        Self {
            timer: TokioTimer::new(),
            origin: TokioInstant::now().into_std(),
            turn: Arc::default(),
        }
    }

    /// The connection is about to be polled.
    pub(super) fn begin(&self) {
        let since = TokioInstant::now().into_std().duration_since(self.origin);
        // Five hundred years fit.
        let nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        self.turn.store(nanos, Ordering::Relaxed);
    }
}

impl Timer for TurnTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.timer.sleep(duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.timer.sleep_until(deadline)
    }

    fn now(&self) -> Instant {
        self.origin + Duration::from_nanos(self.turn.load(Ordering::Relaxed))
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, new_deadline: Instant) {
        self.timer.reset(sleep, new_deadline);
    }
}
