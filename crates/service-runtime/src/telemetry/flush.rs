//! Sends the last telemetry of a process, in a bounded time.

use std::time::Duration;

use opentelemetry_sdk::error::OTelSdkResult;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::signal::Signal;
use crate::chain::Chain;

/// How much longer than its bound a flush is waited for: the bound is kept by another thread, which may
/// have to be scheduled first.
const SLACK: Duration = Duration::from_millis(500);

/// The end of one signal.
#[derive(Clone, Debug)]
pub(super) struct Flush {
    bound: Duration,
    over: CancellationToken,
}

// === impl Flush ===

impl Flush {
    pub(super) fn within(bound: Duration) -> Self {
        Self {
            bound,
            over: CancellationToken::new(),
        }
    }

    pub(super) fn bound(&self) -> Duration {
        self.bound
    }

    /// Cancelled when nothing is to be sent any more.
    pub(super) fn over(&self) -> CancellationToken {
        self.over.clone()
    }

    /// Runs what sends the rest, which blocks and keeps the bound by itself if it can; whether it came to
    /// its end, well or not.
    pub(super) async fn run(
        &self,
        signal: Signal,
        send: impl FnOnce() -> OTelSdkResult + Send + 'static,
    ) -> bool {
        // The exporter needs this runtime meanwhile.
        let sending = timeout(self.bound + SLACK, spawn_blocking(send));
        let ended = sending.await.ok().and_then(Result::ok);
        // Whatever still tries to send is let go.
        self.over.cancel();
        match &ended {
            Some(Ok(())) => tracing::debug!(%signal, "the last telemetry is sent"),
            Some(Err(error)) => {
                tracing::warn!(%signal, error = %Chain(error), "the last telemetry was not sent");
            }
            None => {
                let bound = self.bound;
                tracing::warn!(%signal, ?bound, "the last telemetry was not sent in time");
            }
        }
        ended.is_some()
    }
}
