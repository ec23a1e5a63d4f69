//! The SDK's processor of log records, which is given no more than may wait.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{
    BatchConfigBuilder, BatchLogProcessor, LogExporter, LogProcessor, SdkLogRecord,
};

use crate::telemetry::queue::{Batch, Queue};

/// Hands log records to the SDK's processor while there is room.
#[derive(Debug)]
pub(super) struct Processor {
    queue: Arc<Queue>,
    inner: BatchLogProcessor,
}

// === impl Processor ===

impl Processor {
    pub(super) fn new(
        exporter: impl LogExporter + 'static,
        batch: &Batch,
        queue: Arc<Queue>,
    ) -> Self {
        // All that the environment could say is said here.
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(batch.queue_size)
            .with_max_export_batch_size(batch.size)
            .with_scheduled_delay(batch.delay)
            .build();
        let inner = BatchLogProcessor::builder(exporter).with_batch_config(config);
        Self {
            queue,
            inner: inner.build(),
        }
    }
}

impl LogProcessor for Processor {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        if self.queue.admits() {
            self.inner.emit(record, scope);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        if !self.queue.close() {
            return Ok(());
        }
        let result = self.inner.shutdown_with_timeout(timeout);
        self.queue.end();
        result
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
