//! How often and how soon calls are retried.

use std::time::Duration;

use tonic::Code;

use crate::backoff::Backoff;

/// How calls are retried (gRFC [A6]).
///
/// [`Builder::retry`](crate::Builder::retry) applies one to the methods that are known to be
/// repeatable, see [`Builder::descriptors`](crate::Builder::descriptors); a
/// `retryPolicy` of a [service config](crate::Builder::service_config) applies to the methods that
/// the config names. What no server has processed is sent again whatever the method and the policy.
///
/// A call is sent again only until its response has begun: a server's answer of trailers only, which
/// is how an error without any message is sent, can be followed by another attempt, but response
/// headers are final. A server may say in `grpc-retry-pushback-ms` when to come back, which then
/// holds instead of the backoff, or that it is not to be asked again, by a number below zero.
///
/// [A6]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// How often a call is sent at most, the first time included: 2 to 5.
    pub max_attempts: u32,
    /// The wait before the first retry, before a jitter of 20 % to either side.
    pub initial_backoff: Duration,
    /// The longest wait, before jitter.
    pub max_backoff: Duration,
    /// The factor by which the wait grows with each retry: more than 0.
    pub backoff_multiplier: f64,
    /// The codes that are retried.
    pub retryable_codes: Vec<Code>,
}

// === impl RetryPolicy ===

impl Default for RetryPolicy {
    /// 4 attempts, about 20 ms, 40 ms and 80 ms apart, on UNAVAILABLE only.
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
    /// The wait before retry number `retry` (1 for the first), where `random` is drawn evenly from
    /// [0, 1).
    pub(super) fn wait(&self, retry: u32, random: f64) -> Duration {
        let backoff = Backoff {
            base: self.initial_backoff,
            multiplier: self.backoff_multiplier,
            jitter: 0.2,
            max: self.max_backoff,
        };
        backoff.delay(retry, random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_wait_is_within_a_fifth_of_its_bound(retry in 1u32..40, random in 0.0f64..1.0) {
            let policy = RetryPolicy::default();
            let wait = policy.wait(retry, random).as_secs_f64();
            let exact = policy.initial_backoff.as_secs_f64() * 2f64.powi(retry.cast_signed() - 1);
            let exact = exact.min(policy.max_backoff.as_secs_f64());
            prop_assert!((exact * 0.8 - 1e-6..=exact * 1.2 + 1e-6).contains(&wait));
        }
    }
}
