//! Hedging: the same call on several replicas, of which the first good answer is taken (gRFC [A6]).
//!
//! [A6]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md#hedging-policy

mod schedule;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;
use tonic::{Code, Status};

use self::schedule::Schedule;
use super::Call;
use super::attempt::{Answer, Ended};
use super::payload::AttemptId;
use super::pushback::Pushback;
use super::retry::Attempts;
use super::throttle::Throttle;
use crate::subchannel::Subchannel;
use crate::transport::{Progress, ResponseBody};

/// How calls are hedged: sent to several replicas, without waiting for a failure, so that one slow
/// replica does not make a slow call (gRFC [A6]).
///
/// The first response that is not an error is taken, and the other attempts are cancelled. Hedging
/// costs load: every attempt may be processed, so it is for methods that may be processed twice. A
/// `hedgingPolicy` of a [service config](crate::Builder::service_config) applies to the methods that
/// the config names, and [`Builder::hedging`](crate::Builder::hedging) to those that the descriptors
/// mark as idempotent. Attempts go to different replicas while there are.
///
/// [A6]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md#hedging-policy
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HedgingPolicy {
    /// How often a call is sent at most, the first time included: 2 to 5.
    pub max_attempts: u32,
    /// How long each attempt is waited for before the next one is sent. Zero sends all at once.
    pub hedging_delay: Duration,
    /// The codes after which the next attempt is sent at once. Any other failure is reported, and
    /// the other attempts are cancelled.
    pub non_fatal_codes: Vec<Code>,
}

/// The replicas that a hedged call was sent to.
#[derive(Debug, Default)]
pub(super) struct Used(Mutex<Vec<Arc<Subchannel>>>);

// === impl HedgingPolicy ===

impl Default for HedgingPolicy {
    /// 2 attempts, the second after 500 ms, or at once when the first ends with UNAVAILABLE.
    fn default() -> Self {
        Self {
            max_attempts: 2,
            hedging_delay: Duration::from_millis(500),
            non_fatal_codes: vec![Code::Unavailable],
        }
    }
}

// === impl Used ===

impl Used {
    pub(super) fn add(&self, subchannel: &Arc<Subchannel>) {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.push(subchannel.clone());
    }

    pub(super) fn contains(&self, subchannel: &Arc<Subchannel>) -> bool {
        let used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.iter().any(|used| Arc::ptr_eq(used, subchannel))
    }

    pub(super) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

// === impl Call ===

impl Call {
    /// Sends the call as a hedging policy says. Dropping the future cancels every attempt.
    pub(super) async fn hedge(
        &self,
        policy: &HedgingPolicy,
    ) -> Result<http::Response<ResponseBody>, Status> {
        let used = Used::default();
        let mut schedule = Schedule::new(policy, Instant::now());
        let mut running = FuturesUnordered::new();
        let mut last = None;
        loop {
            let due = schedule.due();
            let now = Instant::now();
            if due.is_some_and(|due| due <= now) {
                if schedule.sent() > 0 && !self.may_hedge() {
                    schedule.stop();
                    continue;
                }
                if schedule.sent() > 0 {
                    self.tracer.hedged();
                }
                running.push(self.hedged(schedule.sent(), &used));
                schedule.started(now);
                continue;
            }
            if running.is_empty() && due.is_none() {
                break;
            }
            let (id, result) = tokio::select! {
                Some(ended) = running.next() => ended,
                () = sleep_until(due) => continue,
            };
            // The call goes on with another attempt, which alone has the whole request.
            if self.payload.is_lost(id) {
                continue;
            }
            let ended = match result {
                Ok(answer) => return Ok(self.commit(answer)),
                Err(ended) => ended,
            };
            if let Some(error) = self.payload.take_error() {
                return Err(error);
            }
            let failed = ended.failed(true);
            // Without a replica there was no server that has said anything.
            let local = failed.progress == Progress::NoReplica;
            let fatal = !local && !policy.non_fatal_codes.contains(&failed.code);
            let counts = !local && (!fatal || failed.pushback == Some(Pushback::Never));
            let allowed = !counts || self.count_failure();
            if fatal {
                return self.report(ended);
            }
            schedule.failed(Instant::now(), failed.pushback, allowed);
            last = Some(ended);
        }
        match last {
            Some(ended) => self.report(ended),
            // The first attempt is always sent, and the loop ends only when all have ended.
            None => Err(Status::internal("a hedged call was not sent")),
        }
    }

    /// One attempt, sent again while no server has processed it.
    async fn hedged(&self, previous: u32, used: &Used) -> (AttemptId, Result<Answer, Ended>) {
        let mut attempts = Attempts::default();
        let mut transparent = false;
        loop {
            let (id, result) = self.attempt(previous, transparent, Some(used)).await;
            let ended = match self.settle(result, true).await {
                Err(ended) => ended,
                good => return (id, good),
            };
            let failed = ended.failed(self.payload.is_replayable());
            if !attempts.is_transparent(failed) {
                return (id, Err(ended));
            }
            drop(ended);
            self.payload.give_up(id);
            tokio::task::yield_now().await;
            self.tracer.transparently_retried();
            transparent = true;
        }
    }

    fn may_hedge(&self) -> bool {
        let throttle = self.channel.throttle.as_ref();
        self.payload.is_replayable() && throttle.is_none_or(Throttle::allows)
    }

    /// Counts a failure that is not fatal; whether another attempt may follow.
    fn count_failure(&self) -> bool {
        let Some(throttle) = &self.channel.throttle else {
            return true;
        };
        throttle.failed();
        throttle.allows()
    }
}

/// Waits for ever when there is nothing to wait for.
async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
