//! Whether this replica wants calls: the checks that were given to it, probed again and again, and
//! never any more once it drains.
//!
//! `/readyz` and `grpc.health.v1` answer from here, so that they cannot disagree. A probe that does
//! not answer within its timeout has failed.

mod details;

use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::metrics::Meter;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::chain::Chain;
use crate::health::Reporter;
use crate::settings::Violations;
use crate::telemetry::instruments::DRAINING;

/// How often checks are probed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// From the end of a probe to the next one.
    #[serde(with = "crate::settings::duration")]
    pub interval: Duration,
    /// How long a probe may take.
    #[serde(with = "crate::settings::duration")]
    pub timeout: Duration,
}

/// What the replica needs in order to serve.
pub trait Check: Send + Sync + 'static {
    /// The name in `/readyz`.
    fn name(&self) -> &'static str;

    /// Asks once. It is dropped when it takes longer than the timeout.
    fn probe(&self) -> Probe<'_>;
}

/// The answer of one probe, as it comes.
pub type Probe<'a> =
    Pin<Box<dyn Future<Output = Result<(), Box<dyn Error + Send + Sync>>> + Send + 'a>>;

/// What is known of the checks. Clones share it.
#[derive(Clone, Debug)]
pub struct Readiness {
    state: Arc<watch::Sender<State>>,
    details: details::Details,
}

/// Keeps the probes going while it lives.
#[derive(Debug)]
pub struct Probes {
    _tasks: Vec<AbortOnDropHandle<()>>,
}

/// Everything that `/readyz` shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct State {
    /// Whether this replica wants calls.
    pub ready: bool,
    /// Whether it is stopping.
    pub draining: bool,
    /// The last result of every check, by name.
    pub checks: BTreeMap<&'static str, Outcome>,
}

/// The last result of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It has not answered yet.
    Pending,
    /// It holds.
    Ok,
    /// It failed; the log says why.
    Failed,
    /// It did not answer in time.
    TimedOut,
}

/// A probe took longer than its timeout.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no answer within {0:?}")]
struct TimedOut(Duration);

// === impl Config ===

impl Config {
    /// Checks what the types cannot.
    pub fn validate(&self, violations: &mut Violations) {
        violations.expect(!self.interval.is_zero(), "interval", "more than zero");
        violations.expect(!self.timeout.is_zero(), "timeout", "more than zero");
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
        }
    }
}

// === impl Readiness ===

impl Readiness {
    /// Starts to probe, and keeps `health` in step. Must be called on a tokio runtime.
    #[must_use]
    pub fn start(
        config: &Config,
        checks: Vec<Box<dyn Check>>,
        health: &Reporter,
    ) -> (Self, Probes) {
        let state = State {
            ready: checks.is_empty(),
            draining: false,
            checks: checks
                .iter()
                .map(|check| (check.name(), Outcome::Pending))
                .collect(),
        };
        health.set_all(state.ready);
        let readiness = Self {
            state: Arc::new(watch::Sender::new(state)),
            details: details::Details::default(),
        };
        let tasks = checks
            .into_iter()
            .map(|check| {
                let task = readiness
                    .clone()
                    .watch(config.clone(), check, health.clone());
                AbortOnDropHandle::new(tokio::spawn(task))
            })
            .collect();
        (readiness, Probes { _tasks: tasks })
    }

    /// What is known now.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Shows something beside the checks that an operator should see, and that does not decide
    /// whether this replica wants calls. `describe` is asked each time, and must not block.
    pub fn show(&self, name: &'static str, describe: impl Fn() -> String + Send + Sync + 'static) {
        self.details.add(name, Box::new(describe));
    }

    /// Lets `meter` observe whether this replica drains, for as long as its provider lives.
    pub fn measure(&self, meter: &Meter) {
        let state = self.state.subscribe();
        DRAINING.observe(meter, move || {
            Some(if state.borrow().draining { 1.0 } else { 0.0 })
        });
    }

    /// What is shown beside the checks, by name.
    #[must_use]
    pub fn details(&self) -> BTreeMap<&'static str, String> {
        self.details.texts()
    }

    /// Waits until this replica wants calls. Cancel-safe.
    pub async fn ready(&self) {
        let mut state = self.state.subscribe();
        // The sender lives as long as `self`, so that this cannot fail.
        let _ = state.wait_for(|state| state.ready).await;
    }

    /// Makes this replica want no calls any more, for good.
    pub fn drain(&self) {
        self.state.send_modify(|state| {
            state.draining = true;
            state.ready = false;
        });
    }

    async fn watch(self, config: Config, check: Box<dyn Check>, health: Reporter) {
        loop {
            let (outcome, error) = match tokio::time::timeout(config.timeout, check.probe()).await {
                Ok(Ok(())) => (Outcome::Ok, None),
                Ok(Err(error)) => (Outcome::Failed, Some(error)),
                Err(_) => (Outcome::TimedOut, Some(TimedOut(config.timeout).into())),
            };
            self.record(check.name(), outcome, error.as_deref(), &health);
            tokio::time::sleep(config.interval).await;
        }
    }

    fn record(
        &self,
        name: &'static str,
        outcome: Outcome,
        error: Option<&(dyn Error + Send + Sync + 'static)>,
        health: &Reporter,
    ) {
        let changed = self.state.send_if_modified(|state| {
            let changed = state.checks.insert(name, outcome) != Some(outcome);
            state.ready =
                !state.draining && state.checks.values().all(|outcome| *outcome == Outcome::Ok);
            if changed {
                health.set_all(state.ready);
            }
            changed
        });
        match error {
            _ if !changed => {}
            None => tracing::info!(check = name, "the check holds"),
            Some(error) => {
                tracing::warn!(
                    check = name,
                    error = %Chain(error),
                    "the check failed; this replica wants no calls"
                );
            }
        }
    }
}
