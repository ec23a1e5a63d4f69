//! The OpenTelemetry metrics of a channel, by the names that gRPC gives them; and its [`spans`], which
//! follow the same calls and attempts.
//!
//! A dashboard that was made for grpc-go or grpc-java then shows this channel too. The instruments are
//! those of gRFC [A66] (calls and attempts), [A96] (retries), [A94] (subchannels), [A91] (outlier
//! detection) and [A78] (weighted round robin, as far as it applies: weights here come from the
//! resolver and not from load reports). Labels that the documents call optional are left out, except
//! `grpc.disconnect_error`, without which a count of disconnections says little.
//!
//! Only the API of OpenTelemetry is used, and never its global provider.
//!
//! [A66]: https://github.com/grpc/proposal/blob/master/A66-otel-stats.md
//! [A78]: https://github.com/grpc/proposal/blob/master/A78-grpc-metrics-wrr-pf-xds.md
//! [A91]: https://github.com/grpc/proposal/blob/master/A91-outlier-detection-metrics.md
//! [A94]: https://github.com/grpc/proposal/blob/master/A94-subchannel-otel-metrics.md
//! [A96]: https://github.com/grpc/proposal/blob/master/A96-retry-otel-stats.md

mod attempt;
mod call;
mod connection;
mod instruments;
mod methods;
pub(crate) mod spans;

use std::sync::Arc;

use http::Extensions;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

pub(crate) use self::attempt::{CallAttemptTracer, Sent};
pub(crate) use self::call::CallTracer;
use self::call::Measured;
pub(crate) use self::connection::OpenConnection;
use self::instruments::Instruments;
use self::methods::Methods;
use self::spans::{CallSpan, Spans};
use crate::method::Descriptors;
use crate::outlier::Ejection;

/// Where the parts of a channel record what happens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    /// `None` without a meter.
    channel: Option<Arc<Channel>>,
    /// `None` where no trace is made or handed on.
    spans: Option<Arc<Spans>>,
}

/// What one channel records with.
#[derive(Debug)]
struct Channel {
    instruments: Instruments,
    methods: Methods,
    target: KeyValue,
}

// === impl Metrics ===

impl Metrics {
    /// For a channel to `target`, which calls these methods and perhaps others.
    pub(crate) fn new(meter: &Meter, target: String, descriptors: &Descriptors) -> Self {
        let target = KeyValue::new("grpc.target", target);
        let channel = Channel {
            instruments: Instruments::new(meter),
            methods: Methods::new(target.clone(), descriptors.paths()),
            target,
        };
        Self {
            channel: Some(Arc::new(channel)),
            spans: None,
        }
    }

    /// The same, and the calls have spans.
    pub(crate) fn with_spans(mut self, spans: Spans) -> Self {
        self.spans = Some(Arc::new(spans));
        self
    }

    /// A call begins.
    pub(crate) fn call(&self, path: &str, extensions: &Extensions) -> CallTracer {
        let measured = self.channel.as_ref().map(|channel| Measured {
            channel: channel.clone(),
            labels: channel.methods.labels(path, extensions),
        });
        let span = self.spans.as_ref();
        CallTracer::new(measured, span.map(|spans| CallSpan::begin(spans, path)))
    }

    /// A connection was made.
    pub(crate) fn connected(&self) -> OpenConnection {
        OpenConnection::new(self.channel.clone())
    }

    /// A connection could not be made.
    pub(crate) fn connection_failed(&self) {
        if let Some(channel) = &self.channel {
            let failed = &channel.instruments.connection_attempts_failed;
            failed.add(1, std::slice::from_ref(&channel.target));
        }
    }

    /// These replicas were found to be outliers.
    pub(crate) fn ejections(&self, ejections: &[Ejection]) {
        let Some(channel) = &self.channel else { return };
        for ejection in ejections {
            let method = KeyValue::new(
                "grpc.lb.outlier_detection.detection_method",
                ejection.method.name(),
            );
            let target = channel.target.clone();
            let instruments = &channel.instruments;
            match &ejection.unenforced {
                None => instruments.ejections_enforced.add(1, &[target, method]),
                Some(reason) => {
                    let reason =
                        KeyValue::new("grpc.lb.outlier_detection.unenforced_reason", reason.name());
                    let labels = [target, method, reason];
                    instruments.ejections_unenforced.add(1, &labels);
                }
            }
        }
    }

    /// The weighted round robin begins anew, with these weights.
    pub(crate) fn weights(&self, weights: impl Iterator<Item = u32>) {
        let Some(channel) = &self.channel else { return };
        for weight in weights {
            let target = std::slice::from_ref(&channel.target);
            let weights = &channel.instruments.endpoint_weights;
            weights.record(f64::from(weight), target);
        }
    }
}
