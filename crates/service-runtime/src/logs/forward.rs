//! Hands what is logged on to OpenTelemetry, once somebody wants it: the logs begin before it is known
//! who does.

use std::sync::{Arc, OnceLock};

use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// What speaks with a collector. Its own events are not handed on: each batch that is sent would make
/// the next one. They are written as all others are. `log` is what comes by the crate of that name: of
/// libraries that these stand on, whose names are not told.
const EXPORTERS: [&str; 12] = [
    "h2",
    "hyper",
    "hyper_rustls",
    "hyper_util",
    "log",
    "opentelemetry",
    "opentelemetry_otlp",
    "opentelemetry_sdk",
    "rustls",
    "tokio_util",
    "tonic",
    "tower",
];

type Bridge = OpenTelemetryTracingBridge<SdkLoggerProvider, SdkLogger>;

/// Where events are handed on. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Forward(Arc<OnceLock<Bridge>>);

fn is_exporters(target: &str) -> bool {
    let library = target.split("::").next().unwrap_or_default();
    EXPORTERS.contains(&library)
}

// === impl Forward ===

impl Forward {
    /// From now on, and for as long as the process lives; `false` when they go elsewhere already.
    pub(super) fn to(&self, provider: &SdkLoggerProvider) -> bool {
        self.0.set(Bridge::new(provider)).is_ok()
    }
}

impl<S> Layer<S> for Forward
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if let Some(bridge) = self.0.get()
            && !is_exporters(event.metadata().target())
        {
            bridge.on_event(event, context);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_with_a_collector_is_told_apart() {
        for (target, is) in [
            ("h2", true),
            ("h2::codec::framed_read", true),
            ("hyper_util::client::legacy", true),
            ("tower::buffer::worker", true),
            ("access", false),
            ("service_runtime::telemetry", false),
            ("h2o", false),
        ] {
            assert_eq!(is_exporters(target), is, "{target}");
        }
    }
}
