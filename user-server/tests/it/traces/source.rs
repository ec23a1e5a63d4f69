//! Who takes the spans of a test, and tells them when all is over.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use service_runtime::telemetry;
use service_runtime::telemetry::traces::{Exporter, Protocol};

use crate::collector::{Collector, Seen};
use crate::otelcol::Otelcol;

/// What the collector in a cluster reads.
const COMPONENT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../kustomize/components/tracing/collector.yaml"
);

/// A collector, or two of them.
pub(crate) enum Source {
    /// The one in this process.
    Ours(Collector),
    /// A real one, that is spoken to like this.
    Real(Otelcol, Protocol),
    /// A real one, configured as in a cluster, and what it has in the place of Jaeger.
    Cluster(Otelcol, Collector),
}

// === impl Source ===

impl Source {
    pub(crate) async fn ours() -> Self {
        Self::Ours(Collector::start().await)
    }

    pub(crate) async fn real(program: &Path, protocol: Protocol) -> Self {
        Self::Real(Otelcol::to_files(program).await, protocol)
    }

    pub(crate) async fn cluster(program: &Path) -> Self {
        let jaeger = Collector::start().await;
        let keys = [
            "extensions::health_check::endpoint=127.0.0.1:0".to_owned(),
            "receivers::otlp::protocols::grpc::endpoint=127.0.0.1:0".to_owned(),
            format!("exporters::otlp_grpc/jaeger::endpoint={}", jaeger.address),
            // Jaeger reads gzip, which is what it sends; ours does not.
            "exporters::otlp_grpc/jaeger::compression=none".to_owned(),
        ];
        let collector = Otelcol::start(program, Path::new(COMPONENT), &keys).await;
        Self::Cluster(collector, jaeger)
    }

    /// Sends what there is to the collector, but only when it is flushed.
    pub(crate) fn config(&self) -> telemetry::Config {
        let mut config = telemetry::Config::default();
        config.traces.exporter = Exporter::Otlp;
        config.traces.batch.delay = Duration::from_hours(1);
        (config.traces.otlp.endpoint, config.traces.otlp.protocol) = match self {
            Self::Ours(collector) => (collector.endpoint(), Protocol::Grpc),
            Self::Real(collector, Protocol::HttpProtobuf) => {
                (http(collector.http), Protocol::HttpProtobuf)
            }
            Self::Real(collector, Protocol::Grpc) | Self::Cluster(collector, _) => {
                (http(collector.grpc), Protocol::Grpc)
            }
        };
        config
    }

    /// Everything that it was sent.
    pub(crate) async fn end(self) -> Vec<Seen> {
        match self {
            Self::Ours(collector) => collector.spans(),
            Self::Real(mut collector, _) => collector.spans().await,
            Self::Cluster(mut collector, jaeger) => {
                collector.stop().await;
                jaeger.spans()
            }
        }
    }
}

fn http(address: SocketAddr) -> String {
    format!("http://{address}")
}
