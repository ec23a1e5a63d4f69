//! Every instrument of this crate: its name, unit and meaning, in one place, for those that measure and
//! for those that write dashboards.
//!
//! Names are OpenTelemetry's; the calls' are those of gRFC A66. Prometheus' exporter makes of them what
//! [`Instrument::prometheus`] says. Every label has a small and fixed set of values, whatever is sent.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, UpDownCounter};

use super::Service;

/// One instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instrument {
    /// What OpenTelemetry calls it.
    pub name: &'static str,
    /// What Prometheus calls it; a histogram's series have `_bucket`, `_sum` and `_count` behind it.
    pub prometheus: &'static str,
    /// How its values are to be read.
    pub kind: Kind,
    /// The unit, as the UCUM writes it.
    pub unit: &'static str,
    /// What it says.
    pub description: &'static str,
    /// The labels that tell its series apart, as Prometheus writes them.
    pub labels: &'static [&'static str],
}

/// How values are to be read, in Prometheus' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until the process ends.
    Counter,
    /// It is what it is now.
    Gauge,
    /// How often values were at most so large.
    Histogram,
}

/// Calls that were begun.
pub const CALL_STARTED: Instrument = Instrument {
    name: "grpc.server.call.started",
    prometheus: "grpc_server_call_started_total",
    kind: Kind::Counter,
    unit: "{call}",
    description: "Calls that were begun; unknown methods are \"other\" (gRFC A66)",
    labels: &["grpc_method"],
};

/// Calls that are over.
pub const CALL_DURATION: Instrument = Instrument {
    name: "grpc.server.call.duration",
    prometheus: "grpc_server_call_duration_seconds",
    kind: Kind::Histogram,
    unit: "s",
    description: "From the head of the request to the last byte of the response, by status (gRFC A66)",
    labels: &["grpc_method", "grpc_status"],
};

/// How many connections there are.
pub const CONNECTIONS_OPEN: Instrument = Instrument {
    name: "server.connections.open",
    prometheus: "server_connections_open",
    kind: Kind::Gauge,
    unit: "{connection}",
    description: "Open connections of the gRPC listener, those in their handshake included",
    labels: &[],
};

/// How many there were.
pub const CONNECTIONS_ACCEPTED: Instrument = Instrument {
    name: "server.connections.accepted",
    prometheus: "server_connections_accepted_total",
    kind: Kind::Counter,
    unit: "{connection}",
    description: "Connections that the gRPC listener has accepted",
    labels: &[],
};

/// Whether the end has begun.
pub const DRAINING: Instrument = Instrument {
    name: "server.draining",
    prometheus: "server_draining",
    kind: Kind::Gauge,
    unit: "",
    description: "1 from the moment that this replica stops to want calls, for it ends, otherwise 0",
    labels: &[],
};

/// For how long the certificate is good.
pub const CERTIFICATE_EXPIRY: Instrument = Instrument {
    name: "tls.certificate.expiry",
    prometheus: "tls_certificate_expiry_seconds",
    kind: Kind::Gauge,
    unit: "s",
    description: "For how long the certificate in use is still valid; negative when it is not",
    labels: &[],
};

/// Whether newer files wait to be mended.
pub const FILES_REJECTED: Instrument = Instrument {
    name: "tls.files.rejected",
    prometheus: "tls_files_rejected",
    kind: Kind::Gauge,
    unit: "",
    description: "1 while newer files of TLS are there that cannot be used, otherwise 0",
    labels: &[],
};

/// Handshakes that failed.
pub const HANDSHAKE_FAILURES: Instrument = Instrument {
    name: "tls.handshake.failures",
    prometheus: "tls_handshake_failures_total",
    kind: Kind::Counter,
    unit: "{handshake}",
    description: "Handshakes that failed, by reason",
    labels: &["reason"],
};

/// Calls that met a limit.
pub const LIMIT_HITS: Instrument = Instrument {
    name: "limits.hits",
    prometheus: "limits_hits_total",
    kind: Kind::Counter,
    unit: "{call}",
    description: "Calls that were refused or ended by a limit, by which one",
    labels: &["limit"],
};

/// Calls that have a place.
pub const CALLS_RUNNING: Instrument = Instrument {
    name: "limits.calls.running",
    prometheus: "limits_calls_running",
    kind: Kind::Gauge,
    unit: "{call}",
    description: "Calls that are running and count against limits.max_concurrent_calls",
    labels: &[],
};

/// Whether something goes wrong on purpose.
pub const FAULTS_SET: Instrument = Instrument {
    name: "faults.set",
    prometheus: "faults_set",
    kind: Kind::Gauge,
    unit: "{fault}",
    description: "Faults that are set on purpose, for one method or for all",
    labels: &[],
};

/// What has gone wrong on purpose.
pub const FAULTS_INJECTED: Instrument = Instrument {
    name: "faults.injected",
    prometheus: "faults_injected_total",
    kind: Kind::Counter,
    unit: "{call}",
    description: "Calls that met a fault on purpose, by what it did to them",
    labels: &["fault"],
};

/// Telemetry that did not arrive.
pub const LOST: Instrument = Instrument {
    name: "telemetry.lost",
    prometheus: "telemetry_lost_total",
    kind: Kind::Counter,
    unit: "{item}",
    description: "Spans, log records and pushes of metrics that did not reach the collector, by signal and reason",
    labels: &["signal", "reason"],
};

/// What runs.
pub const BUILD_INFO: Instrument = Instrument {
    name: "build.info",
    prometheus: "build_info",
    kind: Kind::Gauge,
    unit: "",
    description: "Always 1; the labels say which program of which version runs",
    labels: &["name", "version"],
};

/// All of them.
pub const ALL: [Instrument; 14] = [
    CALL_STARTED,
    CALL_DURATION,
    CONNECTIONS_OPEN,
    CONNECTIONS_ACCEPTED,
    DRAINING,
    CERTIFICATE_EXPIRY,
    FILES_REJECTED,
    HANDSHAKE_FAILURES,
    LIMIT_HITS,
    CALLS_RUNNING,
    FAULTS_SET,
    FAULTS_INJECTED,
    LOST,
    BUILD_INFO,
];

/// The labels of [`BUILD_INFO`].
pub(super) fn build(service: &Service) -> [KeyValue; 2] {
    [
        KeyValue::new("name", service.name),
        KeyValue::new("version", service.version),
    ]
}

// === impl Instrument ===

impl Instrument {
    /// Makes it, as something that is counted up.
    #[must_use]
    pub fn counter(&self, meter: &Meter) -> Counter<u64> {
        let builder = meter.u64_counter(self.name).with_unit(self.unit);
        builder.with_description(self.description).build()
    }

    /// Makes it, as something that is counted up and down.
    #[must_use]
    pub fn up_down_counter(&self, meter: &Meter) -> UpDownCounter<i64> {
        let builder = meter.i64_up_down_counter(self.name).with_unit(self.unit);
        builder.with_description(self.description).build()
    }

    /// Makes it, as something that is said whenever it changes.
    #[must_use]
    pub fn gauge(&self, meter: &Meter) -> Gauge<u64> {
        let builder = meter.u64_gauge(self.name).with_unit(self.unit);
        builder.with_description(self.description).build()
    }

    /// Makes it, with the upper bounds of its buckets.
    #[must_use]
    pub fn histogram(&self, meter: &Meter, boundaries: &[f64]) -> Histogram<f64> {
        let builder = meter.f64_histogram(self.name).with_unit(self.unit);
        let builder = builder.with_boundaries(boundaries.to_vec());
        builder.with_description(self.description).build()
    }

    /// A gauge that is asked whenever somebody looks, for as long as the meter's provider lives; `None`
    /// is no value at all.
    pub fn observe(&self, meter: &Meter, value: impl Fn() -> Option<f64> + Send + Sync + 'static) {
        self.observe_with(meter, [], value);
    }

    /// The same, as the series with these labels.
    pub fn observe_with<const N: usize>(
        &self,
        meter: &Meter,
        labels: [KeyValue; N],
        value: impl Fn() -> Option<f64> + Send + Sync + 'static,
    ) {
        // Callbacks belong to the meter; the instrument itself need not be kept.
        let _ = meter
            .f64_observable_gauge(self.name)
            .with_unit(self.unit)
            .with_description(self.description)
            .with_callback(move |observer| {
                if let Some(value) = value() {
                    observer.observe(value, &labels);
                }
            })
            .build();
    }

    /// A counter of what is counted elsewhere, as the series with these labels; it is asked as a gauge is.
    pub fn observe_count<const N: usize>(
        &self,
        meter: &Meter,
        labels: [KeyValue; N],
        count: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        let _ = meter
            .u64_observable_counter(self.name)
            .with_unit(self.unit)
            .with_description(self.description)
            .with_callback(move |observer| observer.observe(count(), &labels))
            .build();
    }
}
