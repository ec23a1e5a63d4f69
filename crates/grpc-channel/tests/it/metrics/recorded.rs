//! A meter provider whose metrics a test can read.

use std::collections::BTreeMap;

use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, Metric, MetricData, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};

/// What channels have recorded.
pub(super) struct Recorded {
    pub(super) provider: SdkMeterProvider,
    exporter: InMemoryMetricExporter,
}

/// One time series.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) unit: String,
    pub(super) labels: BTreeMap<String, String>,
    /// How often a histogram was recorded to.
    pub(super) count: u64,
    /// The sum of a histogram or the value of a counter.
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) bounds: Vec<f64>,
}

/// A map to compare labels or counts with.
pub(super) fn labels<V: Into<W>, W, const N: usize>(labels: [(&str, V); N]) -> BTreeMap<String, W> {
    let owned = labels.map(|(name, value)| (name.to_owned(), value.into()));
    owned.into()
}

// === impl Recorded ===

impl Recorded {
    pub(super) fn new() -> Self {
        let exporter = InMemoryMetricExporter::default();
        let reader = PeriodicReader::builder(exporter.clone()).build();
        Self {
            provider: SdkMeterProvider::builder().with_reader(reader).build(),
            exporter,
        }
    }

    /// Every time series of an instrument.
    pub(super) fn points(&self, name: &str) -> Vec<Point> {
        let export = self.export();
        let Some(latest) = export.last() else {
            return Vec::new();
        };
        let metrics = latest.scope_metrics().flat_map(ScopeMetrics::metrics);
        let called = metrics.filter(|metric| metric.name() == name);
        called.flat_map(points).collect()
    }

    /// The only time series of an instrument.
    pub(super) fn only(&self, name: &str) -> Point {
        let mut points = self.points(name);
        assert_eq!(
            points.len(),
            1,
            "{name} must have one set of labels: {points:?}"
        );
        points.remove(0)
    }

    /// The sum over all labels; 0 when there is none.
    pub(super) fn total(&self, name: &str) -> f64 {
        self.points(name).iter().map(|point| point.sum).sum()
    }

    /// How often was recorded for each value of a label.
    pub(super) fn counts(&self, name: &str, label: &str) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for mut point in self.points(name) {
            let value = point.labels.remove(label).expect("every point has it");
            *counts.entry(value).or_default() += point.count;
        }
        counts
    }

    /// The sum for each value of a label.
    pub(super) fn sums(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for mut point in self.points(name) {
            let value = point.labels.remove(label).expect("every point has it");
            *sums.entry(value).or_default() += point.sum;
        }
        sums
    }

    /// The names of the meters.
    pub(super) fn scopes(&self) -> Vec<String> {
        let export = self.export();
        let scopes = export.iter().flat_map(ResourceMetrics::scope_metrics);
        scopes
            .map(|metrics| metrics.scope().name().to_owned())
            .collect()
    }

    fn export(&self) -> Vec<ResourceMetrics> {
        self.exporter.reset();
        self.provider.force_flush().expect("the exporter is memory");
        let metrics = self.exporter.get_finished_metrics();
        metrics.expect("the exporter is memory")
    }
}

fn points(metric: &Metric) -> Vec<Point> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "the numbers of a test are small"
    )]
    match metric.data() {
        AggregatedMetrics::F64(data) => of(metric, data, |value| value),
        AggregatedMetrics::U64(data) => of(metric, data, |value| value as f64),
        AggregatedMetrics::I64(data) => of(metric, data, |value| value as f64),
    }
}

fn of<T: Copy>(metric: &Metric, data: &MetricData<T>, number: impl Fn(T) -> f64) -> Vec<Point> {
    let point = |labels: Vec<(String, String)>| Point {
        unit: metric.unit().to_owned(),
        labels: labels.into_iter().collect(),
        count: 0,
        sum: 0.0,
        min: f64::NAN,
        max: f64::NAN,
        bounds: Vec::new(),
    };
    let label = |pair: &opentelemetry::KeyValue| (pair.key.to_string(), pair.value.to_string());
    match data {
        MetricData::Sum(sum) => {
            let points = sum.data_points().map(|data| Point {
                sum: number(data.value()),
                ..point(data.attributes().map(label).collect())
            });
            points.collect()
        }
        MetricData::Histogram(histogram) => {
            let points = histogram.data_points().map(|data| Point {
                count: data.count(),
                sum: number(data.sum()),
                min: data.min().map_or(f64::NAN, &number),
                max: data.max().map_or(f64::NAN, &number),
                bounds: data.bounds().collect(),
                ..point(data.attributes().map(label).collect())
            });
            points.collect()
        }
        MetricData::Gauge(_) | MetricData::ExponentialHistogram(_) => {
            panic!("no gRFC has an instrument of this kind: {}", metric.name())
        }
    }
}
