//! The traces of one process: which calls are sampled, where their spans go, and how a trace goes on
//! from process to process.
//!
//! Nothing here is process-wide: whoever makes spans is given a tracer, and a process may hold several
//! servers. Spans leave in batches, from a queue that has an end, by a thread of their own; a collector
//! that is down or slow costs what is in the queue and no call any time. What did not arrive is
//! counted: [`SPANS_LOST`](super::instruments::SPANS_LOST).

mod b3;
mod config;
mod exporter;
mod http;
mod lost;
mod otlp;
mod propagation;
mod queue;
mod sampler;
mod traceparent;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::metrics::Meter;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::resource::{ResourceDetector as _, TelemetryResourceDetector};
pub use opentelemetry_sdk::trace::SdkTracer as Tracer;
use opentelemetry_sdk::trace::SdkTracerProvider;
use opentelemetry_sdk::{Resource, error::OTelSdkResult};
use tokio::task::spawn_blocking;

pub use self::config::{Batch, Config, Exporter, Format, Otlp, Protocol};
use self::exporter::Bounded;
use self::lost::Lost;
pub use self::otlp::ExporterError;
pub use self::propagation::Propagation;
use self::queue::Queue;
use self::sampler::Sampler;
use super::Service;
use crate::chain::Chain;

/// How much longer than its bound a flush is waited for: the bound is kept by another thread, which may
/// have to be scheduled first.
const SLACK: Duration = Duration::from_millis(500);

/// The traces of one process. Clones share everything.
#[derive(Clone, Debug)]
pub struct Traces {
    /// `None` where no spans are made.
    provider: Option<SdkTracerProvider>,
    propagation: Propagation,
    flush_timeout: Duration,
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
        let (attributes, config) = (&config.resource_attributes, &config.traces);
        let lost = Arc::new(Lost::new(meter));
        let provider = match config.exporter {
            Exporter::None => None,
            Exporter::Otlp => {
                let (queue, exporter) = (
                    Arc::new(Queue::new(config.batch.queue_size, lost)),
                    otlp::exporter(&config.otlp)?,
                );
                let exporter = Bounded::new(exporter, config.otlp.timeout, queue.clone());
                Some(
                    SdkTracerProvider::builder()
                        .with_sampler(Sampler::of(config))
                        .with_resource(resource(service, attributes))
                        .with_span_processor(queue::Processor::new(exporter, &config.batch, queue))
                        .build(),
                )
            }
        };
        Ok(Self {
            provider,
            propagation: Propagation::new(&config.extract, &config.inject),
            flush_timeout: config.flush_timeout,
        })
    }

    /// Reads the files that the settings name, as [`Traces::start`] does. Must be called on a tokio
    /// runtime.
    ///
    /// # Errors
    /// As [`Traces::start`].
    pub fn check(config: &super::Config) -> Result<(), StartError> {
        if config.traces.exporter == Exporter::Otlp {
            otlp::exporter(&config.traces.otlp)?;
        }
        Ok(())
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
        let bound = self.flush_timeout;
        // It blocks; the exporter needs this runtime meanwhile.
        let flushing = spawn_blocking(move || provider.shutdown_with_timeout(bound));
        let result: Option<OTelSdkResult> = tokio::time::timeout(bound + SLACK, flushing)
            .await
            .ok()
            .and_then(Result::ok);
        match result {
            Some(Ok(())) => tracing::debug!("the last spans are exported"),
            Some(Err(error)) => {
                tracing::warn!(error = %Chain(&error), "the last spans were not exported");
            }
            None => tracing::warn!(?bound, "the last spans were not exported in time"),
        }
    }
}

/// Who makes the spans.
fn resource(service: &Service, attributes: &super::Attributes) -> Resource {
    // The builder that looks into the environment is another one: only settings read that.
    Resource::builder_empty()
        .with_attributes(
            TelemetryResourceDetector
                .detect()
                .iter()
                .map(|(key, value)| opentelemetry::KeyValue::new(key.clone(), value.clone())),
        )
        .with_attributes(attributes.pairs())
        .with_attributes(service.attributes())
        .build()
}
