//! Whether a failed call is sent again, as a pure decision (gRFC [A6]).
//!
//! [A6]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md

mod policy;

use std::time::Duration;

use tonic::Code;

pub use self::policy::RetryPolicy;
use super::pushback::Pushback;
use super::throttle::Throttle;
use crate::transport::Progress;

/// How often a call is sent again because the server that it was sent to drains. Under a rollout or a
/// short connection age a call may meet several; only a server that drains every new connection at
/// once, and so would hold the call for ever, reaches this.
const MAX_DRAINS: u32 = 10;

/// What one call has used up.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// How many retries by policy there were.
    sent: u32,
    /// How many of them since the server last said when to come back.
    since_pushback: u32,
    drained: u32,
    transparent: bool,
}

/// How one attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) progress: Progress,
    pub(super) code: Code,
    pub(super) pushback: Option<Pushback>,
    /// Whether all that the call has sent is still there to be sent again.
    pub(super) replayable: bool,
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

// === impl Attempts ===

impl Attempts {
    /// How many attempts by policy there were before this one.
    pub(super) fn previous(&self) -> u32 {
        self.sent
    }

    /// What to do after a failed attempt. `random` is drawn evenly from [0, 1).
    ///
    /// The throttle counts what the specification calls a failed call: one that the policy would
    /// retry, or whose server asked not to be asked again.
    pub(super) fn decide(
        &mut self,
        policy: Option<&RetryPolicy>,
        throttle: Option<&Throttle>,
        failed: Failed,
        random: f64,
    ) -> Decision {
        if self.is_transparent(failed) {
            return Decision::Transparent;
        }
        let Some(policy) = policy.filter(|_| failed.progress != Progress::NoReplica) else {
            return Decision::Report;
        };
        let never = failed.pushback == Some(Pushback::Never);
        let retryable = policy.retryable_codes.contains(&failed.code);
        if !never && !retryable {
            return Decision::Report;
        }
        if let Some(throttle) = throttle {
            throttle.failed();
        }
        let throttled = throttle.is_some_and(|throttle| !throttle.allows());
        let exhausted = self.sent + 1 >= policy.max_attempts;
        if never || throttled || exhausted || !failed.replayable {
            return Decision::Report;
        }
        self.sent += 1;
        if let Some(Pushback::After(wait)) = failed.pushback {
            self.since_pushback = 0;
            return Decision::After(wait);
        }
        self.since_pushback += 1;
        Decision::After(policy.wait(self.since_pushback, random))
    }

    /// Whether nobody has processed the call, so that it is sent again without counting.
    pub(super) fn is_transparent(&mut self, failed: Failed) -> bool {
        match failed.progress {
            Progress::NotSent => true,
            // This says nothing about the load of the others.
            Progress::Drained if failed.replayable && self.drained < MAX_DRAINS => {
                self.drained += 1;
                true
            }
            // A server that refuses again is overloaded, and then the policy decides.
            Progress::Refused if failed.replayable && !self.transparent => {
                self.transparent = true;
                true
            }
            Progress::Drained | Progress::Refused | Progress::Unknown | Progress::NoReplica => {
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::throttle::Throttling;
    use proptest::prelude::*;

    /// The random number that adds no jitter.
    const NO_JITTER: f64 = 0.5;

    fn failed(progress: Progress) -> Failed {
        Failed {
            progress,
            code: Code::Unavailable,
            pushback: None,
            replayable: true,
        }
    }

    fn pushed_back(pushback: Pushback) -> Failed {
        Failed {
            pushback: Some(pushback),
            ..failed(Progress::Unknown)
        }
    }

    fn decide(
        attempts: &mut Attempts,
        policy: Option<&RetryPolicy>,
        progress: Progress,
    ) -> Decision {
        attempts.decide(policy, None, failed(progress), NO_JITTER)
    }

    fn throttle(max_tokens: u32) -> Throttle {
        Throttle::new(Throttling {
            max_tokens,
            token_ratio_millis: 1,
        })
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
        for millis in [20, 40, 80] {
            assert_eq!(
                decide(&mut attempts, Some(&policy), Progress::Unknown),
                Decision::After(Duration::from_millis(millis))
            );
        }
        assert_eq!(
            decide(&mut attempts, Some(&policy), Progress::Unknown),
            Decision::Report
        );
    }

    #[test]
    fn what_is_not_kept_or_not_retryable_or_has_no_replica_is_reported() {
        let policy = RetryPolicy::default();
        for failed in [
            Failed {
                code: Code::Internal,
                ..failed(Progress::Unknown)
            },
            Failed {
                replayable: false,
                ..failed(Progress::Unknown)
            },
            Failed {
                replayable: false,
                ..failed(Progress::Refused)
            },
            failed(Progress::NoReplica),
        ] {
            let decision = Attempts::default().decide(Some(&policy), None, failed, NO_JITTER);
            assert_eq!(decision, Decision::Report, "{failed:?}");
        }
    }

    #[test]
    fn a_server_that_says_when_is_obeyed_and_the_backoff_starts_over() {
        let policy = RetryPolicy {
            max_attempts: 5,
            ..RetryPolicy::default()
        };
        let mut attempts = Attempts::default();
        let mut decide = |failed| attempts.decide(Some(&policy), None, failed, NO_JITTER);
        let after = |millis| Decision::After(Duration::from_millis(millis));
        assert_eq!(decide(failed(Progress::Unknown)), after(20));
        assert_eq!(decide(failed(Progress::Unknown)), after(40));
        let pushback = Pushback::After(Duration::from_secs(3));
        assert_eq!(decide(pushed_back(pushback)), after(3_000));
        assert_eq!(decide(failed(Progress::Unknown)), after(20));
        assert_eq!(
            decide(pushed_back(pushback)),
            Decision::Report,
            "the server's wish does not add attempts"
        );
    }

    #[test]
    fn a_server_that_says_never_is_obeyed_and_counted() {
        let policy = RetryPolicy::default();
        let throttle = throttle(4);
        let never = Failed {
            code: Code::InvalidArgument,
            ..pushed_back(Pushback::Never)
        };
        for _ in 0..2 {
            let decision =
                Attempts::default().decide(Some(&policy), Some(&throttle), never, NO_JITTER);
            assert_eq!(decision, Decision::Report);
        }
        assert!(!throttle.allows(), "2 of 4 tokens are left");
    }

    #[test]
    fn a_throttled_call_is_reported_and_what_is_not_the_servers_fault_is_not_counted() {
        let policy = RetryPolicy::default();
        let throttle = throttle(4);
        let decide =
            |failed| Attempts::default().decide(Some(&policy), Some(&throttle), failed, NO_JITTER);
        let bad_request = Failed {
            code: Code::InvalidArgument,
            ..failed(Progress::Unknown)
        };
        for _ in 0..10 {
            assert_eq!(decide(bad_request), Decision::Report);
            assert_eq!(decide(failed(Progress::NotSent)), Decision::Transparent);
        }
        assert!(matches!(
            decide(failed(Progress::Unknown)),
            Decision::After(_)
        ));
        assert_eq!(
            decide(failed(Progress::Unknown)),
            Decision::Report,
            "2 of 4 tokens are not more than half"
        );
    }

    prop_compose! {
        fn any_failure()(
            progress in prop::sample::select(vec![
                Progress::Refused, Progress::Unknown, Progress::NoReplica,
            ]),
            code in (0i32..17).prop_map(Code::from_i32),
            pushback in prop::option::of(prop_oneof![
                Just(Pushback::Never),
                (0u64..5_000).prop_map(|ms| Pushback::After(Duration::from_millis(ms))),
            ]),
            replayable: bool,
        ) -> Failed {
            Failed { progress, code, pushback, replayable }
        }
    }

    proptest! {
        #[test]
        fn no_call_is_sent_more_often_than_its_policy_and_one_refusal_allow(
            max_attempts in 2u32..=5,
            failures in prop::collection::vec(any_failure(), 0..30),
            random in 0.0f64..1.0,
        ) {
            let policy = RetryPolicy { max_attempts, ..RetryPolicy::default() };
            let mut attempts = Attempts::default();
            let mut sent = 1;
            for failed in failures {
                let decision = attempts.decide(Some(&policy), None, failed, random);
                if let Decision::After(wait) = decision {
                    prop_assert!(failed.replayable && failed.pushback != Some(Pushback::Never));
                    prop_assert!(policy.retryable_codes.contains(&failed.code));
                    if let Some(Pushback::After(asked)) = failed.pushback {
                        prop_assert_eq!(wait, asked);
                    }
                }
                match decision {
                    Decision::Report => break,
                    Decision::After(_) | Decision::Transparent => sent += 1,
                }
            }
            prop_assert!(sent <= max_attempts + 1);
        }
    }
}
