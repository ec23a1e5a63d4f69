//! The settings of a channel that are about its metrics and its traces.

use http::uri::Authority;
use opentelemetry::InstrumentationScope;
use opentelemetry::global::BoxedTracer;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span, Tracer, TracerProvider};

use super::Builder;
use crate::method::Descriptors;
use crate::metrics::Metrics;
use crate::metrics::spans::Spans;

/// What the metrics and the spans are made with.
#[derive(Debug, Default)]
pub(super) struct Otel {
    meter: Option<Meter>,
    tracer: Option<BoxedTracer>,
    propagator: Option<Box<dyn TextMapPropagator + Send + Sync>>,
}

// === impl Otel ===

impl Otel {
    /// To be asked once.
    pub(super) fn metrics(
        &mut self,
        target: &str,
        authority: &Authority,
        descriptors: &Descriptors,
    ) -> Metrics {
        let metrics = self.meter.as_ref().map_or_else(Metrics::default, |meter| {
            Metrics::new(meter, canonical(target), descriptors)
        });
        match (self.tracer.take(), self.propagator.take()) {
            (None, None) => metrics,
            (tracer, propagator) => metrics.with_spans(Spans::new(tracer, propagator, authority)),
        }
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
    /// [descriptors](Self::descriptors) tell of; all others together are `other`, so that a
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
        self.otel.meter = Some(provider.meter_with_scope(scope()));
        self
    }

    /// Makes OpenTelemetry spans of calls, with a tracer of this provider: one for each call, and below
    /// it one for each attempt, as gRFC [A72] says. Default: none are made; the global provider is
    /// never used.
    ///
    /// A call's span is a child of the span that is current ([`opentelemetry::Context::current`]) when
    /// the call is made. An attempt's has the address of its replica, and is the one that the
    /// [propagator](Self::text_map_propagator) sends. Names and attributes are those of OpenTelemetry's
    /// [conventions for gRPC], and A72's `previous-rpc-attempts` and `transparent-retry`.
    ///
    /// ```
    /// use grpc_channel::Channel;
    /// use opentelemetry_sdk::propagation::TraceContextPropagator;
    /// use opentelemetry_sdk::trace::SdkTracerProvider;
    ///
    /// let provider = SdkTracerProvider::builder().build();
    /// let builder = Channel::builder("dns:///echo:50051")
    ///     .tracer_provider(&provider)
    ///     .text_map_propagator(TraceContextPropagator::new());
    /// ```
    ///
    /// [A72]: https://github.com/grpc/proposal/blob/master/A72-open-telemetry-tracing.md
    /// [conventions for gRPC]: https://opentelemetry.io/docs/specs/semconv/rpc/grpc/
    pub fn tracer_provider<P>(mut self, provider: &P) -> Self
    where
        P: TracerProvider,
        P::Tracer: Send + Sync + 'static,
        <P::Tracer as Tracer>::Span: Span + Send + Sync + 'static,
    {
        let tracer = provider.tracer_with_scope(scope());
        self.otel.tracer = Some(BoxedTracer::new(Box::new(tracer)));
        self
    }

    /// Hands the trace on to servers, in each attempt's metadata. Without a
    /// [tracer](Self::tracer_provider) it is the trace that is current when the call is made. Default:
    /// it is not handed on.
    pub fn text_map_propagator(
        mut self,
        propagator: impl TextMapPropagator + Send + Sync + 'static,
    ) -> Self {
        self.otel.propagator = Some(Box::new(propagator));
        self
    }
}

/// What this crate calls itself.
fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
        .with_version(env!("CARGO_PKG_VERSION"))
        .build()
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
