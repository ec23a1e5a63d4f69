//! The metrics of one server: where they are collected, and what `/metrics` shows of them; and its
//! [`traces`].
//!
//! A server hands its [`Telemetry`]'s meter to whatever measures. Nothing here is process-wide, so that
//! several servers of one process, as tests and demonstrations start them, do not add up. What can be
//! measured stands in [`instruments`].

mod attributes;
pub mod instruments;
pub mod traces;

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};
use serde::{Deserialize, Serialize};

pub use self::attributes::Attributes;
use crate::settings::Violations;

/// What is told of this process, and to whom.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What else there is to say of this process, as OpenTelemetry's resource attributes: `key=value`,
    /// such as `"deployment.environment.name=production"`. `service.name`, `service.version` and
    /// `service.instance.id` are known already.
    pub resource_attributes: Attributes,
    /// Spans.
    pub traces: traces::Config,
}

/// Collects what is measured. Clones share it; the last one ends it.
#[derive(Clone, Debug)]
pub struct Telemetry {
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
#[error("the exporter of metrics cannot start")]
pub struct StartError(#[source] OTelSdkError);

/// What was collected cannot be written as text.
#[derive(Debug, thiserror::Error)]
#[error("the metrics cannot be written in Prometheus' text format")]
pub struct EncodeError(#[source] Arc<prometheus::Error>);

// === impl Config ===

impl Config {
    /// Checks what the types cannot.
    pub fn validate(&self, violations: &mut Violations) {
        violations.section("traces", |it| self.traces.validate(it));
    }
}

// === impl Telemetry ===

impl Telemetry {
    /// The media type of [`Telemetry::text`].
    pub const MEDIA_TYPE: &str = TEXT_FORMAT;

    /// Begins to collect, and says by `build_info` and `target_info` for whom.
    ///
    /// # Errors
    /// When the exporter cannot start.
    pub fn start(service: &Service) -> Result<Self, StartError> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            // Every name has one meaning; the library that measures it is no dimension of it.
            .scope_info_enabled(false)
            .build()
            .map_err(StartError)?;
        // The builder that looks into the environment is another one: only settings read that.
        let resource = Resource::builder_empty()
            .with_attributes(service.attributes())
            .build();
        let provider = SdkMeterProvider::builder()
            .with_reader(exporter)
            .with_resource(resource)
            .build();
        let telemetry = Self { provider, registry };
        instruments::BUILD_INFO
            .gauge(&telemetry.meter())
            .record(1, &instruments::build(service));
        Ok(telemetry)
    }

    /// What instruments are made of.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.provider.meter(env!("CARGO_PKG_NAME"))
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
}
