//! The traces of one process: which calls are sampled, where their spans go, and how a trace goes on
//! from process to process.
//!
//! Nothing here is process-wide: whoever makes spans is given a tracer, and a process may hold several
//! servers. Spans leave in batches, from a queue that has an end, by a thread of their own; a collector
//! that is down or slow costs what is in the queue and no call any time. What did not arrive is
//! counted: [`LOST`](super::instruments::LOST).

mod b3;
mod config;
mod exporter;
mod processor;
mod propagation;
mod sampler;
mod traceparent;

use std::sync::Arc;

use opentelemetry::metrics::Meter;
use opentelemetry::trace::TracerProvider as _;
pub use opentelemetry_sdk::trace::SdkTracer as Tracer;
use opentelemetry_sdk::trace::SdkTracerProvider;

pub use self::config::{Config, Format};
use self::exporter::Bounded;
use self::processor::Processor;
pub(crate) use self::propagation::Headers;
pub use self::propagation::Propagation;
use self::sampler::Sampler;
use super::Service;
use super::delivery::Delivery;
use super::flush::Flush;
use super::lost::Lost;
use super::otlp;
pub use super::otlp::{Exporter, ExporterError, Otlp, Protocol};
pub use super::queue::Batch;
use super::queue::Queue;
use super::signal::Signal;

/// The traces of one process. Clones share everything.
#[derive(Clone, Debug)]
pub struct Traces {
    /// `None` where no spans are made.
    provider: Option<SdkTracerProvider>,
    propagation: Propagation,
    flush: Flush,
}

/// No spans can be exported.
#[derive(Debug, thiserror::Error)]
#[error("the exporter of traces cannot start")]
pub struct StartError(#[from] ExporterError);

// === impl Traces ===

impl Traces {
    /// Begins to take spans. Lost ones are counted with the meter, if there is one. Must be called on a
    /// tokio runtime, on which the spans are then exported. Nothing is connected yet.
    ///
    /// # Errors
    /// When the exporter cannot be made of its settings.
    pub fn start(
        config: &super::Config,
        service: &Service,
        meter: Option<&Meter>,
    ) -> Result<Self, StartError> {
        let flush = Flush::within(config.flush_timeout);
        let lost = Lost::new(Signal::Traces, meter);
        let resource = service.resource(&config.resource_attributes);
        let config = &config.traces;
        let provider = match config.exporter {
            Exporter::None => None,
            Exporter::Otlp => {
                let queue = Arc::new(Queue::new(config.batch.queue_size, lost));
                let exporter = Bounded {
                    inner: otlp::spans(&config.otlp)?,
                    delivery: Delivery::new(config.otlp.timeout, flush.over()),
                    queue: queue.clone(),
                };
                Some(
                    SdkTracerProvider::builder()
                        .with_sampler(Sampler::of(config))
                        .with_resource(resource)
                        .with_span_processor(Processor::new(exporter, &config.batch, queue))
                        .build(),
                )
            }
        };
        Ok(Self {
            provider,
            propagation: Propagation::new(&config.extract, &config.inject),
            flush,
        })
    }

    /// What spans are made with, by the library of this name; `None` where none are wanted.
    #[must_use]
    pub fn tracer(&self, library: &'static str) -> Option<Tracer> {
        let provider = self.provider.as_ref();
        provider.map(|provider| provider.tracer(library))
    }

    /// What libraries make their tracers with, if spans are wanted.
    #[must_use]
    pub fn provider(&self) -> Option<&SdkTracerProvider> {
        self.provider.as_ref()
    }

    /// How a trace goes on from process to process. It does also where no spans are made.
    #[must_use]
    pub fn propagation(&self) -> &Propagation {
        &self.propagation
    }

    /// Exports what has ended, and ends: spans that end later are lost. Takes no longer than
    /// `flush_timeout`; what is not exported by then is counted as lost, and logged.
    pub async fn flush(self) {
        let Some(provider) = self.provider else {
            return;
        };
        let bound = self.flush.bound();
        self.flush
            .run(Signal::Traces, move || {
                provider.shutdown_with_timeout(bound)
            })
            .await;
    }
}
