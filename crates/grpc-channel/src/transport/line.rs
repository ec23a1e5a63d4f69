//! Where calls wait while a connection has as many as its peer allows (`MAX_CONCURRENT_STREAMS`).
//!
//! h2 has a line of its own. What stands in that one cannot step out of it: it is sent even to a peer
//! that has said goodbye, and a connection that is lost does not tell what of it was sent.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

/// The places on one connection, given out in the order in which they were asked for.
#[derive(Debug)]
pub(super) struct Line {
    places: Semaphore,
    allowed: AtomicUsize,
    /// How many places are taken beyond what is allowed, since the peer allows fewer than before. The
    /// calls that end next give none back.
    beyond: AtomicUsize,
}

/// The connection takes no more calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed;

// === impl Line ===

impl Line {
    pub(super) fn new(allowed: usize) -> Self {
        let allowed = bounded(allowed);
        Self {
            places: Semaphore::new(allowed),
            allowed: AtomicUsize::new(allowed),
            beyond: AtomicUsize::new(0),
        }
    }

    /// Takes a place if one is free and nobody waits for it.
    pub(super) fn try_enter(&self) -> bool {
        let place = self.places.try_acquire();
        place.map(tokio::sync::SemaphorePermit::forget).is_ok()
    }

    /// Takes a place when it is this call's turn. Cancel-safe.
    pub(super) async fn enter(&self) -> Result<(), Closed> {
        let place = self.places.acquire().await;
        place
            .map(tokio::sync::SemaphorePermit::forget)
            .map_err(|_| Closed)
    }

    /// Gives a place back.
    pub(super) fn leave(&self) {
        let one_less = |beyond: usize| beyond.checked_sub(1);
        let relaxed = Ordering::Relaxed;
        if self.beyond.load(relaxed) == 0
            || self.beyond.try_update(relaxed, relaxed, one_less).is_err()
        {
            self.places.add_permits(1);
        }
    }

    pub(super) fn has_place(&self) -> bool {
        self.places.available_permits() > 0
    }

    /// The peer now allows so many; whether that is new. Only the connection's driver calls this.
    pub(super) fn allow(&self, allowed: usize) -> bool {
        let allowed = bounded(allowed);
        let before = self.allowed.swap(allowed, Ordering::Relaxed);
        if let Some(more) = allowed.checked_sub(before) {
            let relaxed = Ordering::Relaxed;
            let pay = |beyond: usize| Some(beyond.saturating_sub(more));
            let beyond = self.beyond.try_update(relaxed, relaxed, pay);
            let paid = beyond.unwrap_or_default().min(more);
            self.places.add_permits(more - paid);
        } else {
            let fewer = before - allowed;
            let free = self.places.forget_permits(fewer);
            self.beyond.fetch_add(fewer - free, Ordering::Relaxed);
        }
        allowed != before
    }

    /// Sends everyone away who waits; who has a place keeps it.
    pub(super) fn close(&self) {
        self.places.close();
    }
}

/// h2 says `usize::MAX` for a peer that has no limit.
fn bounded(allowed: usize) -> usize {
    allowed.min(Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use proptest::prelude::*;

    #[test]
    fn places_are_given_out_in_order_and_a_closed_line_sends_away_who_waits() {
        let line = Line::new(1);
        assert!(line.try_enter());
        let mut first = Box::pin(line.enter());
        let mut second = Box::pin(line.enter());
        assert_eq!((&mut first).now_or_never(), None);
        assert_eq!((&mut second).now_or_never(), None);
        line.leave();
        assert!(!line.try_enter(), "the place is the first one's");
        assert_eq!((&mut second).now_or_never(), None);
        assert_eq!((&mut first).now_or_never(), Some(Ok(())));
        line.close();
        assert_eq!((&mut second).now_or_never(), Some(Err(Closed)));
        assert!(!line.try_enter());
    }

    #[test]
    fn a_peer_without_a_limit_may_get_one_and_lose_it_again() {
        let line = Line::new(usize::MAX);
        assert!(line.try_enter() && line.try_enter());
        assert!(line.allow(1));
        assert!(!line.allow(1), "that is not new");
        line.leave();
        assert!(!line.try_enter(), "one call is still there");
        line.leave();
        assert!(line.try_enter());
        assert!(line.allow(usize::MAX));
        assert!(line.try_enter());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Enter,
        Leave,
        Allow(usize),
    }

    proptest! {
        #[test]
        fn there_are_never_more_entries_than_were_allowed_at_their_time(
            steps in prop::collection::vec(
                prop_oneof![Just(Step::Enter), Just(Step::Leave), (0usize..6).prop_map(Step::Allow)],
                0..200,
            )
        ) {
            let line = Line::new(3);
            let (mut taken, mut allowed) = (0, 3);
            for step in steps {
                match step {
                    Step::Enter => {
                        let entered = line.try_enter();
                        prop_assert_eq!(entered, taken < allowed);
                        taken += usize::from(entered);
                    }
                    Step::Leave if taken > 0 => {
                        line.leave();
                        taken -= 1;
                    }
                    Step::Leave => {}
                    Step::Allow(now) => {
                        line.allow(now);
                        allowed = now;
                    }
                }
                prop_assert_eq!(line.has_place(), taken < allowed);
            }
        }
    }
}
