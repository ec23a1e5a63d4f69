//! How long to wait before trying again, as a pure function of the attempts so far.
//!
//! Reconnecting and re-resolving share it: gRPC's [connection backoff] is an exponential one with
//! jitter, so that the clients of a replica that comes back do not all arrive in the same instant.
//!
//! [connection backoff]: https://github.com/grpc/grpc/blob/master/doc/connection-backoff.md

use std::time::Duration;

/// The parameters of an exponential backoff.
///
/// The default is the one of gRPC's connection backoff: 1 s, growing by 1.6, at most 120 s, with a
/// jitter of 20 % to either side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The delay after the first failure, before jitter.
    pub base: Duration,
    /// The factor by which every further failure lengthens the delay. At least 1.
    pub multiplier: f64,
    /// The share of the delay that randomness may add or take away, 0 to 1.
    pub jitter: f64,
    /// The longest delay, before jitter.
    pub max: Duration,
}

/// Counts the failures since the last success.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempts {
    backoff: Backoff,
    failures: u32,
}

// === impl Backoff ===

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            multiplier: 1.6,
            jitter: 0.2,
            max: Duration::from_mins(2),
        }
    }
}

impl Backoff {
    /// The delay after `failures` failures in a row (1 for the first), where `random` is drawn
    /// evenly from [0, 1).
    pub(crate) fn delay(&self, failures: u32, random: f64) -> Duration {
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.base.as_secs_f64() * self.multiplier.powi(exponent);
        let capped = grown.min(self.max.as_secs_f64());
        let jittered = capped * (1.0 + self.jitter * (2.0 * random - 1.0));
        Duration::try_from_secs_f64(jittered).unwrap_or(self.max)
    }
}

// === impl Attempts ===

impl Attempts {
    pub(crate) fn new(backoff: Backoff) -> Self {
        Self {
            backoff,
            failures: 0,
        }
    }

    /// How many failures there were since the last success.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Counts one more failure and says how long to wait for the next attempt.
    pub(crate) fn failed(&mut self, random: f64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.backoff.delay(self.failures, random)
    }

    /// Forgets the failures.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The random number that adds no jitter.
    const NO_JITTER: f64 = 0.5;

    #[test]
    fn the_default_grows_by_1_6_up_to_two_minutes() {
        let backoff = Backoff::default();
        let seconds: Vec<f64> = (1..=4)
            .map(|n| backoff.delay(n, NO_JITTER).as_secs_f64())
            .collect();
        for (actual, expected) in seconds.iter().zip([1.0, 1.6, 2.56, 4.096]) {
            assert!(
                (actual - expected).abs() < 1e-6,
                "{actual} is not {expected}"
            );
        }
        assert_eq!(backoff.delay(1_000, NO_JITTER), Duration::from_mins(2));
        assert_eq!(backoff.delay(u32::MAX, NO_JITTER), Duration::from_mins(2));
    }

    #[test]
    fn a_success_starts_over() {
        let mut attempts = Attempts::new(Backoff::default());
        let first = attempts.failed(NO_JITTER);
        assert!(
            attempts.failed(NO_JITTER) > first,
            "the second wait is longer"
        );
        attempts.succeeded();
        assert_eq!(attempts.failed(NO_JITTER), first);
    }

    proptest! {
        #[test]
        fn jitter_stays_within_its_share(failures in 1u32..50, random in 0.0f64..1.0) {
            let backoff = Backoff::default();
            let exact = backoff.delay(failures, NO_JITTER).as_secs_f64();
            let delay = backoff.delay(failures, random).as_secs_f64();
            prop_assert!(delay >= exact * 0.8 - 1e-6 && delay <= exact * 1.2 + 1e-6);
        }
    }
}
