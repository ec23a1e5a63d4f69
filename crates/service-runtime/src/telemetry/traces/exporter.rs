//! Sends batches on the runtime, each in a bounded time.
//!
//! The SDK's thread has no runtime of its own, which the exporters need for sockets and timers; and an
//! exporter's own timeout does not hold for everything that it waits for.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::queue::Queue;

/// An exporter, and the time that it has for one batch.
#[derive(Debug)]
pub(super) struct Bounded<E> {
    inner: Arc<E>,
    timeout: Duration,
    queue: Arc<Queue>,
    runtime: Handle,
}

// === impl Bounded ===

impl<E> Bounded<E> {
    /// Must be called on a tokio runtime.
    pub(super) fn new(inner: E, timeout: Duration, queue: Arc<Queue>) -> Self {
        Self {
            inner: Arc::new(inner),
            timeout,
            queue,
            runtime: Handle::current(),
        }
    }
}

impl<E: SpanExporter + 'static> SpanExporter for Bounded<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let (exporter, limit, count) = (self.inner.clone(), self.timeout, batch.len());
        let sending = async move { timeout(limit, exporter.export(batch)).await };
        let result = match self.runtime.spawn(sending).await {
            Ok(Ok(result)) => result,
            Ok(Err(_elapsed)) => Err(OTelSdkError::Timeout(limit)),
            Err(error) => Err(OTelSdkError::InternalFailure(error.to_string())),
        };
        let failed = result.as_ref().err().map(ToString::to_string);
        self.queue.sent(count, failed.as_deref());
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        // It comes before the first batch, so that nobody else has the exporter.
        if let Some(exporter) = Arc::get_mut(&mut self.inner) {
            exporter.set_resource(resource);
        }
    }
}
