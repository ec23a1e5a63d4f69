//! The metrics of one server: where they are collected, and what `/metrics` shows of them; its
//! [`traces`]; and what of all that goes to a collector.
//!
//! A server hands its [`Telemetry`]'s meter to whatever measures. Nothing here is process-wide, so that
//! several servers of one process, as tests and demonstrations start them, do not add up. What can be
//! measured stands in [`instruments`].

mod attributes;
mod delivery;
mod flush;
pub mod instruments;
pub mod logs;
mod lost;
pub mod metrics;
mod otlp;
mod queue;
mod signal;
pub mod traces;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::resource::{ResourceDetector as _, TelemetryResourceDetector};
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};
use serde::{Deserialize, Serialize};

pub use self::attributes::Attributes;
use self::flush::Flush;
use self::metrics::Push;
use self::otlp::{Exporter, ExporterError};
pub use self::signal::Signal;
use crate::settings::Violations;

/// What is told of this process, and to whom.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What else there is to say of this process, as OpenTelemetry's resource attributes: `key=value`,
    /// such as `"deployment.environment.name=production"`. `service.name`, `service.version` and
    /// `service.instance.id` are known already.
    pub resource_attributes: Attributes,
    /// How long the last spans, log records and metrics may take to be sent when the process stops. The
    /// orchestrator's own patience (terminationGracePeriodSeconds) must have room for it.
    #[serde(with = "crate::settings::duration")]
    pub flush_timeout: Duration,
    /// Spans.
    pub traces: traces::Config,
    /// Metrics, beside `/metrics`.
    pub metrics: metrics::Config,
    /// Log records, beside standard error.
    pub logs: logs::Config,
}

/// Collects what is measured. Clones share it; the last one ends it.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// `None` where nobody but `/metrics` is told.
    push: Option<Arc<Push>>,
    provider: SdkMeterProvider,
    /// What the provider's exporter writes into. It belongs to nobody else.
    registry: Registry,
}

/// Who is measured, as OpenTelemetry's resource attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// `service.name`: the program.
    pub name: &'static str,
    /// `service.version`.
    pub version: &'static str,
    /// `service.instance.id`: the replica, such as the pod's name.
    pub instance: String,
}

/// Nothing can be collected.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// See the source.
    #[error("the metrics of Prometheus cannot be collected")]
    Prometheus(#[source] OTelSdkError),
    /// See the source.
    #[error("the exporter of metrics cannot start")]
    Push(#[from] ExporterError),
}

/// What was collected cannot be written as text.
#[derive(Debug, thiserror::Error)]
#[error("the metrics cannot be written in Prometheus' text format")]
pub struct EncodeError(#[source] Arc<prometheus::Error>);

// === impl Config ===

impl Config {
    /// Checks what the types cannot.
    pub fn validate(&self, violations: &mut Violations) {
        violations.expect(
            self.flush_timeout <= Duration::from_mins(1),
            "flush_timeout",
            "at most 1m",
        );
        violations.section("traces", |it| self.traces.validate(it));
        violations.section("metrics", |it| self.metrics.validate(it));
        violations.section("logs", |it| self.logs.validate(it));
    }

    /// Reads the files that the settings name, as a start does, and says everything that is wrong. Must
    /// be called on a tokio runtime.
    #[must_use]
    pub fn check(&self) -> Vec<ExporterError> {
        let mut errors = Vec::new();
        if self.traces.exporter == Exporter::Otlp {
            errors.extend(otlp::spans(&self.traces.otlp).err());
        }
        if self.metrics.exporter == Exporter::Otlp {
            errors.extend(otlp::metrics(&self.metrics.otlp).err());
        }
        if self.logs.exporter == Exporter::Otlp {
            errors.extend(otlp::logs(&self.logs.otlp).err());
        }
        errors
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            resource_attributes: Attributes::default(),
            flush_timeout: Duration::from_secs(3),
            traces: traces::Config::default(),
            metrics: metrics::Config::default(),
            logs: logs::Config::default(),
        }
    }
}

// === impl Telemetry ===

impl Telemetry {
    /// The media type of [`Telemetry::text`].
    pub const MEDIA_TYPE: &str = TEXT_FORMAT;

    /// Begins to collect, and says by `build_info` and `target_info` for whom. Must be called on a tokio
    /// runtime where metrics are pushed, with whose sockets they are. Nothing is connected yet.
    ///
    /// # Errors
    /// When an exporter cannot start.
    pub fn start(config: &Config, service: &Service) -> Result<Self, StartError> {
        let registry = Registry::new();
        let prometheus = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            // Every name has one meaning; the library that measures it is no dimension of it.
            .scope_info_enabled(false)
            .build()
            .map_err(StartError::Prometheus)?;
        let mut provider = SdkMeterProvider::builder()
            .with_reader(prometheus)
            .with_resource(service.resource(&config.resource_attributes));
        let mut push = None;
        if config.metrics.exporter == Exporter::Otlp {
            let flush = Flush::within(config.flush_timeout);
            let (pushes, reader) = Push::new(&config.metrics, flush)?;
            provider = provider.with_reader(reader);
            push = Some(Arc::new(pushes));
        }
        let telemetry = Self {
            push,
            provider: provider.build(),
            registry,
        };
        let meter = telemetry.meter();
        instruments::BUILD_INFO
            .gauge(&meter)
            .record(1, &instruments::build(service));
        if let Some(push) = &telemetry.push {
            push.measure(&meter);
        }
        Ok(telemetry)
    }

    /// What instruments are made of.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.provider.meter(env!("CARGO_PKG_NAME"))
    }

    /// What libraries make their instruments with.
    #[must_use]
    pub fn provider(&self) -> &SdkMeterProvider {
        &self.provider
    }

    /// All that was measured, in Prometheus' text format 0.0.4.
    ///
    /// # Errors
    /// When a measurement has no form in it.
    pub fn text(&self) -> Result<String, EncodeError> {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .map_err(|error| EncodeError(Arc::new(error)))
    }

    /// Pushes what was measured once more, and never again; `/metrics` goes on. Takes no longer than
    /// `flush_timeout`.
    pub async fn flush(&self) {
        if let Some(push) = &self.push {
            push.flush(self.provider.clone()).await;
        }
    }
}

// === impl Service ===

impl Service {
    fn attributes(&self) -> [KeyValue; 3] {
        [
            KeyValue::new("service.name", self.name),
            KeyValue::new("service.version", self.version),
            KeyValue::new("service.instance.id", self.instance.clone()),
        ]
    }

    /// Who it is to a collector, the same for all signals.
    fn resource(&self, attributes: &Attributes) -> Resource {
        // The builder that looks into the environment is another one: only settings read that.
        Resource::builder_empty()
            .with_attributes(
                TelemetryResourceDetector
                    .detect()
                    .iter()
                    .map(|(key, value)| KeyValue::new(key.clone(), value.clone())),
            )
            .with_attributes(attributes.pairs())
            .with_attributes(self.attributes())
            .build()
    }
}
