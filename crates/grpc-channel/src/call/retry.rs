//! Whether a failed call is sent again, as a pure decision (gRFC [A6]).
//!
//! [A6]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md

use std::time::Duration;

use tonic::Code;

use crate::backoff::Backoff;
use crate::transport::Progress;

/// How often a call is sent again because the server that it was sent to drains. Under a rollout or a
/// short connection age a call may meet several; only a server that drains every new connection at
/// once, and so would hold the call for ever, reaches this.
const MAX_DRAINS: u32 = 10;

/// How idempotent calls are retried.
///
/// It applies to methods that are known to be repeatable, see
/// [`Builder::idempotent_methods`](crate::Builder::idempotent_methods). What no server has processed
/// is sent again whatever the method and the policy.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// How often a call is sent at most, the first time included: 2 to 5.
    pub max_attempts: u32,
    /// The upper bound of the random wait before the first retry.
    pub initial_backoff: Duration,
    /// The upper bound that no wait exceeds.
    pub max_backoff: Duration,
    /// The factor by which the bound grows with each retry.
    pub backoff_multiplier: f64,
    /// The codes that are retried.
    pub retryable_codes: Vec<Code>,
}

/// What one call has used up.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    sent: u32,
    drained: u32,
    transparent: bool,
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Send it again at once: nobody processed it.
    Transparent,
    /// Send it again after this wait.
    After(Duration),
    /// Report it.
    Report,
}

// === impl RetryPolicy ===

impl Default for RetryPolicy {
    /// 4 attempts, waiting up to 20 ms, 40 ms and 80 ms, on UNAVAILABLE only.
    fn default() -> Self {
        Self {
            max_attempts: 4,
            initial_backoff: Duration::from_millis(20),
            max_backoff: Duration::from_secs(1),
            backoff_multiplier: 2.0,
            retryable_codes: vec![Code::Unavailable],
        }
    }
}

impl RetryPolicy {
    /// The wait before retry number `retry` (1 for the first): evenly random up to the bound.
    fn wait(&self, retry: u32, random: f64) -> Duration {
        let bound = Backoff {
            base: self.initial_backoff,
            multiplier: self.backoff_multiplier,
            jitter: 0.0,
            max: self.max_backoff,
        };
        bound.delay(retry, 0.5).mul_f64(random.clamp(0.0, 1.0))
    }
}

// === impl Attempts ===

impl Attempts {
    /// How often the policy has sent the call again; what `grpc-previous-rpc-attempts` says.
    pub(super) fn previous(&self) -> u32 {
        self.sent
    }

    /// Decides about a failure. `policy` is `None` when the method is not known to be repeatable;
    /// `random` is drawn evenly from [0, 1).
    pub(super) fn decide(
        &mut self,
        policy: Option<&RetryPolicy>,
        progress: Progress,
        code: Code,
        random: f64,
    ) -> Decision {
        match progress {
            Progress::NotSent => return Decision::Transparent,
            // This says nothing about the load of the others.
            Progress::Drained if self.drained < MAX_DRAINS => {
                self.drained += 1;
                return Decision::Transparent;
            }
            // A server that refuses again is overloaded, and then the policy decides.
            Progress::Refused if !self.transparent => {
                self.transparent = true;
                return Decision::Transparent;
            }
            Progress::Drained | Progress::Refused | Progress::Unknown => {}
        }
        match policy {
            Some(policy)
                if policy.retryable_codes.contains(&code)
                    && self.sent + 1 < policy.max_attempts =>
            {
                self.sent += 1;
                Decision::After(policy.wait(self.sent, random))
            }
            _ => Decision::Report,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decide(
        attempts: &mut Attempts,
        policy: Option<&RetryPolicy>,
        progress: Progress,
    ) -> Decision {
        attempts.decide(policy, progress, Code::Unavailable, 0.0)
    }

    #[test]
    fn what_never_left_is_sent_again_without_end() {
        let mut attempts = Attempts::default();
        for _ in 0..1_000 {
            assert_eq!(
                decide(&mut attempts, None, Progress::NotSent),
                Decision::Transparent
            );
        }
    }

    #[test]
    fn what_a_server_refused_is_sent_again_once() {
        let mut attempts = Attempts::default();
        assert_eq!(
            decide(&mut attempts, None, Progress::Refused),
            Decision::Transparent
        );
        assert_eq!(
            decide(&mut attempts, None, Progress::Refused),
            Decision::Report
        );
    }

    #[test]
    fn what_drains_met_is_sent_again_but_not_for_ever() {
        let mut attempts = Attempts::default();
        for _ in 0..MAX_DRAINS {
            assert_eq!(
                decide(&mut attempts, None, Progress::Drained),
                Decision::Transparent
            );
        }
        assert_eq!(
            decide(&mut attempts, None, Progress::Drained),
            Decision::Report
        );
    }

    #[test]
    fn what_may_have_been_processed_is_sent_again_only_by_policy() {
        let policy = RetryPolicy::default();
        let mut attempts = Attempts::default();
        assert_eq!(
            decide(&mut attempts, None, Progress::Unknown),
            Decision::Report
        );
        for _ in 1..policy.max_attempts {
            assert_eq!(
                decide(&mut attempts, Some(&policy), Progress::Unknown),
                Decision::After(Duration::ZERO)
            );
        }
        assert_eq!(
            decide(&mut attempts, Some(&policy), Progress::Unknown),
            Decision::Report
        );
    }

    #[test]
    fn a_code_that_is_not_retryable_is_reported() {
        let policy = RetryPolicy::default();
        let decision =
            Attempts::default().decide(Some(&policy), Progress::Unknown, Code::Internal, 0.0);
        assert_eq!(decision, Decision::Report);
    }

    proptest! {
        #[test]
        fn a_wait_stays_below_its_bound(retry in 1u32..40, random in 0.0f64..1.0) {
            let policy = RetryPolicy::default();
            let wait = policy.wait(retry, random);
            let bound = policy.initial_backoff.as_secs_f64() * 2f64.powi(retry.cast_signed() - 1);
            prop_assert!(wait <= policy.max_backoff);
            prop_assert!(wait.as_secs_f64() <= bound);
        }
    }
}
