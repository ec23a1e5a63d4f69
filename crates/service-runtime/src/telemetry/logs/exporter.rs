//! The exporter of log records, which tells the queue what became of them.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter};

use crate::telemetry::delivery::Delivery;
use crate::telemetry::queue::Queue;

/// Sends batches, each in a bounded time.
#[derive(Debug)]
pub(super) struct Bounded<E> {
    pub(super) inner: E,
    pub(super) delivery: Delivery,
    pub(super) queue: Arc<Queue>,
}

// === impl Bounded ===

impl<E: LogExporter> LogExporter for Bounded<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let count = batch.iter().count();
        let result = self.delivery.deliver(self.inner.export(batch)).await;
        let failed = result.as_ref().err().map(ToString::to_string);
        self.queue.sent(count, failed.as_deref());
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
