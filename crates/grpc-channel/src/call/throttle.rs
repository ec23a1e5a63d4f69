//! Retry throttling: while too many calls fail, a channel sends nothing a second time (gRFC [A6],
//! "throttling retry attempts and hedged RPCs").
//!
//! Retries help while a few calls fail; when most of them do, they multiply the load of a server that
//! is overloaded already.
//!
//! [A6]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md

use std::sync::atomic::{AtomicU32, Ordering};

/// What one call that fails costs, in thousandths of a token.
const FAILURE: u32 = 1_000;

/// When retries stop because too many calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Throttling {
    /// How many tokens there are at most and at the beginning: 1 to 1000.
    pub(crate) max_tokens: u32,
    /// What a success gives back, in thousandths of a token: more than 0.
    pub(crate) token_ratio_millis: u32,
}

/// The bucket of tokens of one channel, which all its calls share.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// In thousandths.
    tokens: AtomicU32,
    most: u32,
    ratio: u32,
}

// === impl Throttle ===

impl Throttle {
    pub(crate) fn new(throttling: Throttling) -> Self {
        let most = throttling.max_tokens.saturating_mul(1_000);
        Self {
            tokens: AtomicU32::new(most),
            most,
            ratio: throttling.token_ratio_millis,
        }
    }

    /// Whether anything may be sent a second time: more than half of the tokens are there.
    pub(crate) fn allows(&self) -> bool {
        self.tokens.load(Ordering::Relaxed) > self.most / 2
    }

    /// Counts a call that has ended with OK.
    pub(crate) fn succeeded(&self) {
        // A full bucket, which is the rule, is only read, so that calls do not fight for it.
        if self.tokens.load(Ordering::Relaxed) < self.most {
            self.update(|tokens| tokens.saturating_add(self.ratio).min(self.most));
        }
    }

    /// Counts an attempt that failed in a way that its policy would retry, or whose server asked not
    /// to be asked again. Failures after the response has begun are not counted, as in grpc-go.
    pub(crate) fn failed(&self) {
        self.update(|tokens| tokens.saturating_sub(FAILURE));
    }

    fn update(&self, to: impl Fn(u32) -> u32) {
        // Relaxed: the count orders nothing but itself.
        let mut tokens = self.tokens.load(Ordering::Relaxed);
        while let Err(present) = self.tokens.compare_exchange_weak(
            tokens,
            to(tokens),
            Ordering::Relaxed,
            Ordering::Relaxed,
        ) {
            tokens = present;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn throttle(max_tokens: u32, token_ratio_millis: u32) -> Throttle {
        Throttle::new(Throttling {
            max_tokens,
            token_ratio_millis,
        })
    }

    #[test]
    fn half_of_the_tokens_are_the_threshold() {
        let throttle = throttle(10, 100);
        for failure in 1..=4 {
            throttle.failed();
            assert!(throttle.allows(), "{failure} failures leave more than half");
        }
        throttle.failed();
        assert!(!throttle.allows(), "5 of 10 tokens are not more than half");
        throttle.succeeded();
        assert!(throttle.allows(), "5.1 of 10 tokens are");
    }

    #[test]
    fn threads_lose_no_count() {
        let throttle = throttle(1_000, 1);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| throttle.failed()));
            }
        });
        assert_eq!(throttle.tokens.into_inner(), 600_000);
    }

    proptest! {
        /// The specification's own words, with exact numbers, are the model.
        #[test]
        fn it_counts_as_the_specification_says(
            max_tokens in 1u32..=1_000,
            ratio in 1u32..5_000,
            calls in prop::collection::vec(any::<bool>(), 0..300),
        ) {
            let throttle = throttle(max_tokens, ratio);
            let most = i64::from(max_tokens) * 1_000;
            let mut tokens = most;
            for succeeded in calls {
                if succeeded {
                    throttle.succeeded();
                    tokens = (tokens + i64::from(ratio)).min(most);
                } else {
                    throttle.failed();
                    tokens = (tokens - 1_000).max(0);
                }
                prop_assert_eq!(throttle.allows(), tokens * 2 > most);
            }
        }
    }
}
