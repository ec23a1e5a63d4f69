//! The setting of a channel that is about its metrics.

use opentelemetry::InstrumentationScope;
use opentelemetry::metrics::{Meter, MeterProvider};

use super::Builder;
use crate::metrics::{KnownMethods, Metrics};

/// What the metrics are made with.
#[derive(Debug, Default)]
pub(super) struct Otel {
    meter: Option<Meter>,
    pub(super) known: KnownMethods,
}

// === impl Otel ===

impl Otel {
    pub(super) fn metrics(self, target: &str) -> Metrics {
        let Self { meter, known } = self;
        meter.map_or_else(Metrics::default, |meter| {
            Metrics::new(&meter, canonical(target), known)
        })
    }
}

// === impl Builder ===

impl Builder {
    /// Records OpenTelemetry metrics by gRPC's names, with a meter of this provider. Default: none
    /// are recorded; the global provider is never used.
    ///
    /// | instrument | kind, unit | labels besides `grpc.target` |
    /// |---|---|---|
    /// | `grpc.client.attempt.started` | counter, `{attempt}` | `grpc.method` |
    /// | `grpc.client.attempt.duration` | histogram, `s` | `grpc.method`, `grpc.status` |
    /// | `grpc.client.attempt.sent_total_compressed_message_size` | histogram, `By` | `grpc.method`, `grpc.status` |
    /// | `grpc.client.attempt.rcvd_total_compressed_message_size` | histogram, `By` | `grpc.method`, `grpc.status` |
    /// | `grpc.client.call.duration` | histogram, `s` | `grpc.method`, `grpc.status` |
    /// | `grpc.client.call.retries` | histogram, `{retry}` | `grpc.method` |
    /// | `grpc.client.call.transparent_retries` | histogram, `{transparent_retry}` | `grpc.method` |
    /// | `grpc.client.call.hedges` | histogram, `{hedge}` | `grpc.method` |
    /// | `grpc.client.call.retry_delay` | histogram, `s` | `grpc.method` |
    /// | `grpc.subchannel.connection_attempts_succeeded` | counter, `{attempt}` | – |
    /// | `grpc.subchannel.connection_attempts_failed` | counter, `{attempt}` | – |
    /// | `grpc.subchannel.disconnections` | counter, `{disconnection}` | `grpc.disconnect_error` |
    /// | `grpc.subchannel.open_connections` | up-down counter, `{connection}` | – |
    /// | `grpc.lb.outlier_detection.ejections_enforced` | counter, `{ejection}` | `grpc.lb.outlier_detection.detection_method` |
    /// | `grpc.lb.outlier_detection.ejections_unenforced` | counter, `{ejection}` | the same, and `grpc.lb.outlier_detection.unenforced_reason` |
    /// | `grpc.lb.wrr.endpoint_weights` | histogram, `{weight}` | – |
    ///
    /// They are those of gRFC [A66], [A96], [A94], [A91] and [A78], with their buckets; all but the
    /// first five are still experimental there. What is not wanted can be dropped by a view of the
    /// SDK.
    ///
    /// `grpc.method` is the name of methods that a generated client calls or that the
    /// [descriptors](Self::idempotent_methods) tell of; all others together are `other`, so that a
    /// caller who makes names up makes no new time series. `grpc.target` is the target as it was
    /// given, with `dns:///` before a bare name.
    ///
    /// ```
    /// use grpc_channel::Channel;
    /// use opentelemetry_sdk::metrics::SdkMeterProvider;
    ///
    /// let provider = SdkMeterProvider::builder().build();
    /// let builder = Channel::builder("dns:///echo:50051").meter_provider(&provider);
    /// ```
    ///
    /// [A66]: https://github.com/grpc/proposal/blob/master/A66-otel-stats.md
    /// [A78]: https://github.com/grpc/proposal/blob/master/A78-grpc-metrics-wrr-pf-xds.md
    /// [A91]: https://github.com/grpc/proposal/blob/master/A91-outlier-detection-metrics.md
    /// [A94]: https://github.com/grpc/proposal/blob/master/A94-subchannel-otel-metrics.md
    /// [A96]: https://github.com/grpc/proposal/blob/master/A96-retry-otel-stats.md
    pub fn meter_provider(mut self, provider: &dyn MeterProvider) -> Self {
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        self.otel.meter = Some(provider.meter_with_scope(scope));
        self
    }
}

/// A target in its canonical form: with its scheme, also where nobody wrote it.
fn canonical(target: &str) -> String {
    const SCHEMES: [&str; 6] = ["dns", "dns+srv", "ipv4", "ipv6", "k8s", "unix"];
    match target.split_once(':') {
        Some((scheme, _)) if SCHEMES.contains(&scheme) => target.to_owned(),
        _ => format!("dns:///{target}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_a_dns_name() {
        for (target, expected) in [
            ("echo:50051", "dns:///echo:50051"),
            ("dns:echo:50051", "dns:echo:50051"),
            ("unix:/run/echo", "unix:/run/echo"),
        ] {
            assert_eq!(canonical(target), expected);
        }
    }
}
