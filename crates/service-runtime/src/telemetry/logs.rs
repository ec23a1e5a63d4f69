//! Log records that are sent to a collector, beside the lines on standard error: what the filter of the
//! [logs](crate::logs) shows, with the trace that it happened in.
//!
//! They leave as spans do, from a queue that has an end, by a thread of their own. What the exporters
//! log is written only, or each batch would make the next one.

mod exporter;
mod processor;

use std::sync::Arc;

use opentelemetry::metrics::Meter;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use serde::{Deserialize, Serialize};
use tokio_util::sync::DropGuard;

use self::exporter::Bounded;
use self::processor::Processor;
use super::Service;
use super::delivery::Delivery;
use super::flush::Flush;
use super::lost::Lost;
use super::otlp;
pub use super::otlp::{Exporter, ExporterError, Otlp, Protocol};
pub use super::queue::Batch;
use super::queue::Queue;
use super::signal::Signal;
use crate::logs::Logs;
use crate::settings::Violations;

/// Whether log records are sent. Standard error has them either way.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `"none"` (the default) or `"otlp"`.
    pub exporter: Exporter,
    /// Where to.
    pub otlp: Otlp,
    /// How they wait to be sent.
    pub batch: Batch,
}

/// The log records of one process, on their way.
#[derive(Debug)]
pub struct Records {
    /// `None` where none are sent.
    provider: Option<SdkLoggerProvider>,
    flush: Flush,
    /// A start that failed waits for no collector.
    _over: DropGuard,
}

/// No log records can be sent.
#[derive(Debug, thiserror::Error)]
#[error("the exporter of log records cannot start")]
pub struct StartError(#[from] ExporterError);

// === impl Config ===

impl Config {
    pub(super) fn validate(&self, violations: &mut Violations) {
        violations.section("otlp", |it| self.otlp.validate(it));
        violations.section("batch", |it| self.batch.validate(it));
    }
}

// === impl Records ===

impl Records {
    /// Begins to send what is logged. Lost records are counted with the meter, if there is one. Without
    /// logs that were started for this, as in a program that has its own, nothing is sent. Must be
    /// called on a tokio runtime, with whose sockets they are sent. Nothing is connected yet.
    ///
    /// # Errors
    /// When the exporter cannot be made of its settings.
    pub fn start(
        config: &super::Config,
        service: &Service,
        meter: Option<&Meter>,
        logs: Option<&Logs>,
    ) -> Result<Self, StartError> {
        let flush = Flush::within(config.flush_timeout);
        let lost = Lost::new(Signal::Logs, meter);
        let resource = service.resource(&config.resource_attributes);
        let config = &config.logs;
        let provider = match (config.exporter, logs) {
            (Exporter::None, _) => None,
            (Exporter::Otlp, None) => {
                tracing::warn!(
                    "this program has logs of its own: telemetry.logs sends none of them"
                );
                None
            }
            (Exporter::Otlp, Some(logs)) => {
                let queue = Arc::new(Queue::new(config.batch.queue_size, lost));
                let exporter = Bounded {
                    inner: otlp::logs(&config.otlp)?,
                    delivery: Delivery::new(config.otlp.timeout, flush.over()),
                    queue: queue.clone(),
                };
                let provider = SdkLoggerProvider::builder()
                    .with_resource(resource)
                    .with_log_processor(Processor::new(exporter, &config.batch, queue))
                    .build();
                let is_first = logs.forward(&provider);
                if !is_first {
                    tracing::warn!("another server of this process sends its logs already");
                }
                is_first.then_some(provider)
            }
        };
        Ok(Self {
            provider,
            _over: flush.over().drop_guard(),
            flush,
        })
    }

    /// Sends what was logged, and ends: what is logged later is lost. Takes no longer than
    /// `flush_timeout`; what is not sent by then is counted as lost, and said on standard error.
    pub async fn flush(self) {
        let Some(provider) = self.provider else {
            return;
        };
        let bound = self.flush.bound();
        self.flush
            .run(Signal::Logs, move || provider.shutdown_with_timeout(bound))
            .await;
    }
}
