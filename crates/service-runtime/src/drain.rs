//! The order in which a process stops, so that no call fails because of it.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::health::Reporter;
use crate::readiness::Readiness;
use crate::server::{self, Running};
use crate::settings::Violations;
use crate::stop::Requests;

/// How long the steps take.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long calls are still accepted after this replica said that it wants none: the time that
    /// load balancers and resolvers need to notice.
    #[serde(with = "crate::settings::duration")]
    pub notice: Duration,
    /// How long the calls in flight may take after that. The orchestrator's own patience
    /// (terminationGracePeriodSeconds) must be longer than both together.
    #[serde(with = "crate::settings::duration")]
    pub deadline: Duration,
}

/// How the process stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No call was cut off.
    Clean,
    /// The deadline cut calls off.
    DeadlineExceeded,
    /// A second request stopped it at once.
    Aborted,
}

/// Everything that takes part.
#[derive(Debug)]
pub struct Process<'a> {
    /// What `grpc.health.v1` says.
    pub health: &'a Reporter,
    /// What `/readyz` says.
    pub readiness: &'a Readiness,
    /// The gRPC listener.
    pub server: Running,
    /// Who asks for the stop.
    pub stop: Requests,
}

/// Serves until the first request to stop, and then stops in the one right order. A second request
/// stops at once, whatever step it meets.
///
/// `flush` sends what telemetry still holds; it comes last, because the drain is what one wants to
/// read about.
pub async fn serve(
    config: &Config,
    mut process: Process<'_>,
    flush: impl Future<Output = ()>,
) -> Outcome {
    let cause = process.stop.next().await;
    tracing::info!(%cause, notice = ?config.notice, deadline = ?config.deadline, "stopping");

    // 1. This replica wants no calls any more: health says NOT_SERVING, /readyz 503.
    process.health.drain();
    process.readiness.drain();

    let server = &mut process.server;
    let drained = async {
        // 2. Load balancers notice, while calls that are still sent here are still answered.
        tokio::time::sleep(config.notice).await;
        // 3. Nothing is accepted any more, every connection gets a GOAWAY, the calls in flight finish.
        process.health.close();
        server.drain(config.deadline).await
    };
    let outcome = tokio::select! {
        outcome = drained => outcome,
        cause = process.stop.next() => {
            tracing::warn!(%cause, "asked again to stop; stopping at once");
            process.server.abort().await
        }
    };
    let outcome = report(outcome);

    // 4. Telemetry last.
    flush.await;
    outcome
}

fn report(outcome: server::Outcome) -> Outcome {
    match outcome {
        server::Outcome::Drained => {
            tracing::info!("stopped; no call was cut off");
            Outcome::Clean
        }
        server::Outcome::DeadlineExceeded { calls, connections } => {
            tracing::error!(
                calls,
                connections,
                "the drain's deadline cut calls off; raise drain.deadline, or make calls shorter"
            );
            Outcome::DeadlineExceeded
        }
        server::Outcome::Aborted { calls, connections } => {
            tracing::warn!(calls, connections, "stopped at once");
            Outcome::Aborted
        }
    }
}

// === impl Config ===

impl Config {
    /// Checks what the types cannot.
    pub fn validate(&self, violations: &mut Violations) {
        violations.expect(!self.deadline.is_zero(), "deadline", "more than zero");
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            notice: Duration::from_secs(5),
            deadline: Duration::from_secs(20),
        }
    }
}

// === impl Outcome ===

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clean => "no call was cut off",
            Self::DeadlineExceeded => "the deadline cut calls off",
            Self::Aborted => "stopped at once",
        })
    }
}
