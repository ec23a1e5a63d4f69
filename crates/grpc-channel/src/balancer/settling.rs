//! Whether the first picker waits for the other replicas.
//!
//! When a client starts, its replicas become ready one after the other, within milliseconds. Without
//! a pause the first one would get every call of those milliseconds, and after a rollout of a
//! thousand clients that one replica would feel it. So the first picker waits until each address has
//! been tried once, but not long: an address that does not answer must not hold up the others.

use std::time::Duration;

use tokio::time::Instant;

/// How long the first ready subchannel waits for the others.
const PATIENCE: Duration = Duration::from_millis(100);

/// Where a channel stands at its start.
#[derive(Debug, Default)]
pub(super) enum Settling {
    /// Nothing is ready.
    #[default]
    Waiting,
    /// Something is ready, and the rest has until then.
    Until(Instant),
    /// The start is over.
    Done,
}

// === impl Settling ===

impl Settling {
    /// Whether the picker is still held back, where `ready` tells whether a subchannel is ready and
    /// `new` whether there is one whose first attempt has not ended.
    pub(super) fn holds(&mut self, ready: bool, new: bool, now: Instant) -> bool {
        match (&self, ready) {
            (Self::Done, _) => false,
            (_, false) => new,
            (_, true) if !new => {
                self.finish();
                false
            }
            (Self::Waiting, true) => {
                *self = Self::Until(now + PATIENCE);
                true
            }
            (Self::Until(deadline), true) => {
                let holds = now < *deadline;
                if !holds {
                    self.finish();
                }
                holds
            }
        }
    }

    /// When to stop waiting, if nothing happens before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Until(deadline) => Some(*deadline),
            Self::Waiting | Self::Done => None,
        }
    }

    pub(super) fn finish(&mut self) {
        *self = Self::Done;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ready_replica_waits_for_the_others() {
        let now = Instant::now();
        let mut settling = Settling::default();
        assert!(settling.holds(true, true, now));
        assert_eq!(settling.deadline(), Some(now + PATIENCE));
        assert!(!settling.holds(true, false, now), "all have been tried");
        assert_eq!(settling.deadline(), None);
    }

    #[test]
    fn a_replica_that_does_not_answer_holds_nothing_up_for_long() {
        let now = Instant::now();
        let mut settling = Settling::default();
        assert!(settling.holds(true, true, now));
        assert!(!settling.holds(true, true, now + PATIENCE));
    }

    #[test]
    fn it_happens_only_once() {
        let now = Instant::now();
        let mut settling = Settling::default();
        settling.holds(true, false, now);
        assert!(
            !settling.holds(true, true, now),
            "a replica that is added later delays nothing"
        );
    }
}
