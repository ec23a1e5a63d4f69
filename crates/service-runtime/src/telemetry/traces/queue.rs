//! The end of the queue of spans: as many wait as may, and no call ever waits for one of them.
//!
//! The SDK's processor batches and sends. It counts what it drops only for itself; so that nothing is
//! lost without being counted, what it is given is bounded here, by as much as it has room for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor,
};

use super::config::Batch;
use super::lost::{Lost, Reason};

/// How many spans wait, or are being sent.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: AtomicUsize,
    size: usize,
    closed: AtomicBool,
    lost: Arc<Lost>,
}

/// Hands spans to the SDK's processor while there is room.
#[derive(Debug)]
pub(super) struct Processor {
    queue: Arc<Queue>,
    inner: BatchSpanProcessor,
}

// === impl Queue ===

impl Queue {
    pub(super) fn new(size: usize, lost: Arc<Lost>) -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            size,
            closed: AtomicBool::new(false),
            lost,
        }
    }

    /// Whether one more may wait; it is lost otherwise.
    fn admits(&self) -> bool {
        if self.closed.load(Ordering::Relaxed) {
            self.lost
                .count(1, Reason::Shutdown, "it ended after the last export");
            return false;
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) < self.size {
            return true;
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let why = "more spans end than the collector takes";
        self.lost.count(1, Reason::QueueFull, why);
        false
    }

    /// These wait no longer; `failed` says why they did not arrive.
    pub(super) fn sent(&self, spans: usize, failed: Option<&str>) {
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
        if let Some(why) = failed {
            self.lost.count(spans, Reason::ExportFailed, why);
        }
    }

    /// Nothing is sent any more.
    fn close(&self) {
        let left = self.waiting.load(Ordering::Relaxed);
        if left > 0 {
            let why = "the collector did not take them before the process ended";
            self.lost.count(left, Reason::Shutdown, why);
        }
    }
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
        if self.queue.closed.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let result = self.inner.shutdown_with_timeout(timeout);
        self.queue.close();
        result
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
