//! When the next attempt of a hedged call is due, as a pure function of what happened so far.

use std::time::Duration;

use tokio::time::Instant;

use super::HedgingPolicy;
use crate::call::pushback::Pushback;

/// The attempts that were sent, and the one that comes next.
#[derive(Debug)]
pub(super) struct Schedule {
    max_attempts: u32,
    delay: Duration,
    sent: u32,
    due: Option<Instant>,
}

// === impl Schedule ===

impl Schedule {
    /// The first attempt is due at once.
    pub(super) fn new(policy: &HedgingPolicy, now: Instant) -> Self {
        Self {
            max_attempts: policy.max_attempts,
            delay: policy.hedging_delay,
            sent: 0,
            due: Some(now),
        }
    }

    /// How many attempts were sent.
    pub(super) fn sent(&self) -> u32 {
        self.sent
    }

    /// When the next attempt is to be sent, if there is to be one.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// An attempt is sent now.
    pub(super) fn started(&mut self, now: Instant) {
        self.sent += 1;
        self.due = (self.sent < self.max_attempts).then_some(now + self.delay);
    }

    /// An attempt has failed without ending the call: the next one is sent at once, unless the server
    /// wants it otherwise or too many calls fail for anything to be sent twice.
    pub(super) fn failed(&mut self, now: Instant, pushback: Option<Pushback>, allowed: bool) {
        if self.due.is_none() {
            return;
        }
        self.due = match pushback {
            _ if !allowed => None,
            Some(Pushback::Never) => None,
            Some(Pushback::After(wait)) => Some(now + wait),
            None => Some(now),
        };
    }

    /// No further attempt is sent.
    pub(super) fn stop(&mut self) {
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tonic::Code;

    const DELAY: Duration = Duration::from_millis(100);

    fn schedule(max_attempts: u32, now: Instant) -> Schedule {
        let policy = HedgingPolicy {
            max_attempts,
            hedging_delay: DELAY,
            non_fatal_codes: vec![Code::Unavailable],
        };
        Schedule::new(&policy, now)
    }

    #[test]
    fn attempts_are_sent_a_delay_apart() {
        let start = Instant::now();
        let mut schedule = schedule(3, start);
        for attempt in 0..3 {
            let due = start + DELAY * attempt;
            assert_eq!(schedule.due(), Some(due));
            schedule.started(due);
        }
        assert_eq!(schedule.due(), None);
    }

    #[test]
    fn after_a_failure_the_next_is_sent_at_once_and_those_after_it_a_delay_later() {
        let start = Instant::now();
        let mut schedule = schedule(3, start);
        schedule.started(start);
        let failed = start + DELAY / 4;
        schedule.failed(failed, None, true);
        assert_eq!(schedule.due(), Some(failed));
        schedule.started(failed);
        assert_eq!(schedule.due(), Some(failed + DELAY));
    }

    #[test]
    fn a_server_says_when_the_next_is_sent() {
        let start = Instant::now();
        let mut schedule = schedule(3, start);
        schedule.started(start);
        let wait = Duration::from_secs(5);
        schedule.failed(start, Some(Pushback::After(wait)), true);
        assert_eq!(schedule.due(), Some(start + wait));
        schedule.started(start + wait);
        assert_eq!(schedule.due(), Some(start + wait + DELAY));
    }

    #[test]
    fn a_server_that_says_never_and_the_throttle_end_it() {
        let start = Instant::now();
        for (pushback, allowed) in [(Some(Pushback::Never), true), (None, false)] {
            let mut schedule = schedule(3, start);
            schedule.started(start);
            schedule.failed(start, pushback, allowed);
            assert_eq!(schedule.due(), None);
            schedule.failed(start, None, true);
            assert_eq!(schedule.due(), None, "what has ended stays so");
        }
    }

    proptest! {
        #[test]
        fn no_more_attempts_are_sent_than_the_policy_allows(
            max_attempts in 2u32..=5,
            failures in prop::collection::vec(any::<bool>(), 0..40),
        ) {
            let mut now = Instant::now();
            let mut schedule = schedule(max_attempts, now);
            for failed in failures {
                match schedule.due() {
                    Some(due) if due <= now => schedule.started(now),
                    _ if failed => schedule.failed(now, None, true),
                    _ => now += DELAY,
                }
            }
            prop_assert!(schedule.sent() <= max_attempts);
        }
    }
}
