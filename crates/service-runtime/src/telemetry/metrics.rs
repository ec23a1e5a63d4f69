//! Metrics that are pushed: what `/metrics` shows, sent to a collector at intervals.
//!
//! A push that fails loses no count, because the next one has all of it; what is lost is how it was at
//! that time.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::metrics::Meter;
use opentelemetry_otlp::MetricExporter;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use serde::{Deserialize, Serialize};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::delivery::Delivery;
use super::flush::Flush;
use super::lost::{Lost, Reason};
use super::otlp;
pub use super::otlp::{Exporter, ExporterError, Otlp, Protocol};
use super::signal::Signal;
use crate::settings::Violations;

/// Whether metrics are pushed. `/metrics` shows them either way.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `"none"` (the default) or `"otlp"`.
    pub exporter: Exporter,
    /// How often.
    #[serde(with = "crate::settings::duration")]
    pub interval: Duration,
    /// Where to.
    pub otlp: Otlp,
}

/// What a provider pushes its metrics with.
pub(super) type Reader = PeriodicReader<Bounded<MetricExporter>>;

/// The pushes of one provider.
#[derive(Debug)]
pub(super) struct Push {
    flush: Flush,
    lost: Arc<OnceLock<Lost>>,
    /// Nobody waits for a collector when the provider is dropped.
    _over: DropGuard,
}

/// Sends all metrics at once, in a bounded time.
#[derive(Debug)]
pub(super) struct Bounded<E> {
    inner: E,
    delivery: Delivery,
    over: CancellationToken,
    /// It is counted by the provider that this belongs to, which comes after it.
    lost: Arc<OnceLock<Lost>>,
}

// === impl Config ===

impl Config {
    pub(super) fn validate(&self, violations: &mut Violations) {
        let intervals = Duration::from_millis(1)..=Duration::from_hours(1);
        violations.expect(intervals.contains(&self.interval), "interval", "1ms to 1h");
        violations.section("otlp", |it| self.otlp.validate(it));
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            exporter: Exporter::None,
            interval: Duration::from_mins(1),
            otlp: Otlp::default(),
        }
    }
}

// === impl Push ===

impl Push {
    /// Must be called on a tokio runtime.
    pub(super) fn new(config: &Config, flush: Flush) -> Result<(Self, Reader), ExporterError> {
        let lost = Arc::<OnceLock<Lost>>::default();
        let exporter = Bounded {
            inner: otlp::metrics(&config.otlp)?,
            delivery: Delivery::new(config.otlp.timeout, flush.over()),
            over: flush.over(),
            lost: lost.clone(),
        };
        let reader = PeriodicReader::builder(exporter).with_interval(config.interval);
        let push = Self {
            lost,
            _over: flush.over().drop_guard(),
            flush,
        };
        Ok((push, reader.build()))
    }

    /// Where lost pushes are counted.
    pub(super) fn measure(&self, meter: &Meter) {
        self.lost
            .get_or_init(|| Lost::new(Signal::Metrics, Some(meter)));
    }

    /// Pushes once more, and never again.
    pub(super) async fn flush(&self, provider: SdkMeterProvider) {
        let send = move || provider.force_flush();
        let has_ended = self.flush.run(Signal::Metrics, send).await;
        if let Some(lost) = self.lost.get().filter(|_| !has_ended) {
            let why = "the collector did not take them before the process ended";
            lost.count(1, Reason::Shutdown, why);
        }
    }
}

// === impl Bounded ===

impl<E: PushMetricExporter> PushMetricExporter for Bounded<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let result = self.delivery.deliver(self.inner.export(metrics)).await;
        if let Err(error) = &result
            && let Some(lost) = self.lost.get()
            && !self.over.is_cancelled()
        {
            lost.count(1, Reason::ExportFailed, &error.to_string());
        }
        result
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.inner.temporality()
    }
}
