//! The SDK's processor of spans, which is given no more than may wait.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor,
};

use crate::telemetry::queue::{Batch, Queue};

/// Hands spans to the SDK's processor while there is room.
#[derive(Debug)]
pub(super) struct Processor {
    queue: Arc<Queue>,
    inner: BatchSpanProcessor,
}

// === impl Processor ===

impl Processor {
    pub(super) fn new(
        exporter: impl SpanExporter + 'static,
        batch: &Batch,
        queue: Arc<Queue>,
    ) -> Self {
        // All that the environment could say is said here.
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(batch.queue_size)
            .with_max_export_batch_size(batch.size)
            .with_scheduled_delay(batch.delay)
            .build();
        let inner = BatchSpanProcessor::new(exporter, config);
        Self { queue, inner }
    }
}

impl SpanProcessor for Processor {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.inner.on_start(span, cx);
    }

    fn on_end(&self, span: SpanData) {
        if self.queue.admits() {
            self.inner.on_end(span);
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
