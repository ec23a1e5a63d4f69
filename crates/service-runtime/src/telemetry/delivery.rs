//! Sends one batch in a bounded time, on a thread of the SDK.
//!
//! Those threads have no runtime of their own, which the exporters need for sockets and timers; and an
//! exporter's own timeout does not hold for everything that it waits for.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How an exporter's batches are sent.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    runtime: Handle,
    /// What one batch has.
    limit: Duration,
    closed: CancellationToken,
}

// === impl Delivery ===

impl Delivery {
    /// With the sockets and timers of the current runtime. Must be called on one.
    pub(super) fn new(limit: Duration, closed: CancellationToken) -> Self {
        Self {
            runtime: Handle::current(),
            limit,
            closed,
        }
    }

    /// Waits for what an exporter does, for as long as the limit, and no longer once it is closed.
    pub(super) async fn deliver(
        &self,
        export: impl Future<Output = OTelSdkResult> + Send,
    ) -> OTelSdkResult {
        let sending = async {
            tokio::select! {
                // A runtime that has ended has no timers any more, and was closed before.
                biased;
                () = self.closed.cancelled() => Err(OTelSdkError::AlreadyShutdown),
                sent = timeout(self.limit, export) => {
                    sent.unwrap_or(Err(OTelSdkError::Timeout(self.limit)))
                }
            }
        };
        let mut sending = pin!(sending);
        poll_fn(|cx| {
            let _entered = self.runtime.enter();
            sending.as_mut().poll(cx)
        })
        .await
    }
}
