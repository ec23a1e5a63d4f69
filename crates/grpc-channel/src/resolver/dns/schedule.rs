//! When to ask DNS again, as a pure state machine: the present moment and the random numbers come
//! in as arguments.

use std::time::{Duration, Instant};

use crate::backoff::{Attempts, Backoff};

/// How a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// There are addresses, to be believed for this long.
    Answer { ttl: Duration },
    /// There are none: no such name, an empty answer, or no answer at all.
    Failure,
}

/// When to ask again.
///
/// After an answer: when its TTL, clamped to [min, max], is over; when something broke at once, but
/// never sooner than min after the question before. After a failure: with an exponential backoff
/// from min to max, whatever broke, because a name server in trouble is not helped by questions.
#[derive(Debug)]
pub(crate) struct Schedule {
    min: Duration,
    max: Duration,
    attempts: Attempts,
    last: Instant,
    next: Instant,
    failed: bool,
}

// === impl Schedule ===

impl Schedule {
    pub(crate) fn new(min: Duration, max: Duration, now: Instant) -> Self {
        let backoff = Backoff {
            base: min,
            max,
            ..Backoff::default()
        };
        Self {
            min,
            max,
            attempts: Attempts::new(backoff),
            last: now,
            next: now,
            failed: false,
        }
    }

    /// A question goes out.
    pub(crate) fn asked(&mut self, now: Instant) {
        self.last = now;
    }

    /// The question has ended.
    pub(crate) fn concluded(&mut self, outcome: Outcome, now: Instant, random: f64) {
        let wait = match outcome {
            Outcome::Answer { ttl } => {
                self.attempts.succeeded();
                ttl.clamp(self.min, self.max)
            }
            Outcome::Failure => self.attempts.failed(random),
        };
        self.next = (now + wait).max(self.last + self.min);
        self.failed = outcome == Outcome::Failure;
    }

    /// When to ask next if nothing happens.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// When to ask at the earliest if something broke.
    pub(crate) fn soonest(&self) -> Instant {
        if self.failed {
            self.next
        } else {
            self.last + self.min
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIN: Duration = Duration::from_secs(1);
    const MAX: Duration = Duration::from_secs(30);

    fn wait_after(outcomes: &[Outcome]) -> Duration {
        let now = Instant::now();
        let mut schedule = Schedule::new(MIN, MAX, now);
        for outcome in outcomes {
            schedule.asked(now);
            schedule.concluded(*outcome, now, 0.5);
        }
        schedule.next() - now
    }

    fn answer(seconds: u64) -> Outcome {
        Outcome::Answer {
            ttl: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn an_answer_is_believed_for_its_ttl_within_bounds() {
        assert_eq!(wait_after(&[answer(5)]), Duration::from_secs(5));
        assert_eq!(wait_after(&[answer(0)]), MIN);
        assert_eq!(wait_after(&[answer(3_600)]), MAX);
    }

    #[test]
    fn failures_wait_longer_each_time_and_an_answer_ends_that() {
        let one = wait_after(&[Outcome::Failure]);
        let two = wait_after(&[Outcome::Failure; 2]);
        assert!(two > one, "{two:?} is longer than {one:?}");
        assert_eq!(wait_after(&[Outcome::Failure; 100]), MAX);
        assert_eq!(
            wait_after(&[
                Outcome::Failure,
                Outcome::Failure,
                answer(5),
                Outcome::Failure
            ]),
            one
        );
    }

    proptest! {
        #[test]
        fn a_broken_connection_never_asks_sooner_than_the_minimum(
            ttl in 0u64..10_000, took in 0u64..5_000, random in 0.0f64..1.0, fails: bool,
        ) {
            let now = Instant::now();
            let mut schedule = Schedule::new(MIN, MAX, now);
            schedule.asked(now);
            let outcome = if fails { Outcome::Failure } else { Outcome::Answer { ttl: Duration::from_millis(ttl) } };
            schedule.concluded(outcome, now + Duration::from_millis(took), random);
            prop_assert!(schedule.next() >= now + MIN);
            let soonest = if fails { schedule.next() } else { now + MIN };
            prop_assert_eq!(schedule.soonest(), soonest, "a failure is waited out");
        }
    }
}
