//! What operators see of TLS: metrics and `/readyz`.

use std::collections::BTreeMap;

use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, Metric, MetricData, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use service_runtime::tls::server::Mode;
use tokio::net::TcpStream;

use super::certificates::{Authority, SERVER, Validity};
use super::client::{refused, trusting};
use super::files::Folder;
use crate::log;
use crate::subject::{self, soon};

/// A meter provider whose metrics can be read.
struct Recorded {
    provider: SdkMeterProvider,
    exporter: InMemoryMetricExporter,
}

// === impl Recorded ===

impl Recorded {
    fn new() -> Self {
        let exporter = InMemoryMetricExporter::default();
        let reader = PeriodicReader::builder(exporter.clone()).build();
        Self {
            provider: SdkMeterProvider::builder().with_reader(reader).build(),
            exporter,
        }
    }

    /// The values of an instrument now, by the value of their only attribute.
    fn values(&self, name: &str) -> BTreeMap<String, f64> {
        self.exporter.reset();
        self.provider.force_flush().unwrap();
        let exported = self.exporter.get_finished_metrics().unwrap();
        exported
            .iter()
            .flat_map(ResourceMetrics::scope_metrics)
            .flat_map(ScopeMetrics::metrics)
            .filter(|metric| metric.name() == name)
            .flat_map(points)
            .collect()
    }
}

fn points(metric: &Metric) -> Vec<(String, f64)> {
    let label = |attributes: &mut dyn Iterator<Item = &opentelemetry::KeyValue>| {
        attributes.map(|it| it.value.to_string()).collect()
    };
    match metric.data() {
        AggregatedMetrics::F64(MetricData::Gauge(gauge)) => gauge
            .data_points()
            .map(|it| (label(&mut it.attributes()), it.value()))
            .collect(),
        AggregatedMetrics::U64(MetricData::Gauge(gauge)) => gauge
            .data_points()
            .map(|it| {
                (
                    label(&mut it.attributes()),
                    f64::from(u32::try_from(it.value()).unwrap()),
                )
            })
            .collect(),
        AggregatedMetrics::U64(MetricData::Sum(sum)) => sum
            .data_points()
            .map(|it| {
                (
                    label(&mut it.attributes()),
                    f64::from(u32::try_from(it.value()).unwrap()),
                )
            })
            .collect(),
        other => panic!("another kind than expected: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expiry_refused_files_and_failed_handshakes_are_measured() {
    log::start();
    let authority = Authority::named("a");
    let folder = Folder::with(&authority.server(), &authority);
    let recorded = Recorded::new();
    let (bound, layered) = subject::bind(folder.listener(Mode::Mtls));
    let server = bound
        .measured(&recorded.provider.meter("test"))
        .serve(layered);
    let address = server.local_address();

    let expiry = recorded.values("tls.certificate.expiry");
    let seconds = expiry[""];
    // rcgen's certificates are valid until the year 4096.
    assert!(seconds > 60e9, "seconds from now on: {seconds}");
    assert!(recorded.values("tls.files.rejected")[""] < 1.0);

    let over = authority.client(Validity::Over);
    for config in [
        trusting(&authority, None),
        trusting(&authority, Some(&over)),
        trusting(&authority, Some(&over)),
    ] {
        let (us, _) = refused(address, config, SERVER).await;
        log::line_with(&["no handshake", &format!("peer={us} ")]).await;
    }
    let probe = TcpStream::connect(address).await.unwrap();
    let us = probe.local_addr().unwrap();
    drop(probe);
    log::line_with(&["no handshake", &format!("peer={us} ")]).await;
    assert_eq!(
        recorded.values("tls.handshake.failures"),
        [("no_certificate", 1.0), ("expired", 2.0), ("left", 1.0)]
            .map(|(reason, count)| (reason.to_owned(), count))
            .into()
    );

    folder.put("tls.crt", "broken");
    soon("the measure of refused files", async {
        while recorded.values("tls.files.rejected")[""] < 1.0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
