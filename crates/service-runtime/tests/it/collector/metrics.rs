//! The metrics that a collector was sent.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::MetricsService;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use prost::Message as _;
use tonic::{Request, Response, Status};

use super::{Received, attributes};

/// What one push had.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pushed {
    /// By the metric's name and its labels, as Prometheus writes them; of histograms how many there are.
    pub(crate) values: BTreeMap<String, f64>,
    pub(crate) resource: BTreeMap<String, String>,
}

fn labels(pairs: &[KeyValue]) -> String {
    let pairs: Vec<_> = attributes(pairs)
        .into_iter()
        .map(|(key, value)| format!("{key}=\"{value}\""))
        .collect();
    if pairs.is_empty() {
        return String::new();
    }
    format!("{{{}}}", pairs.join(","))
}

/// The labels and the value of each point.
#[expect(clippy::cast_precision_loss, reason = "tests count to a hundred")]
fn points(data: Option<Data>) -> Vec<(String, f64)> {
    let numbers = match data {
        Some(Data::Gauge(gauge)) => gauge.data_points,
        Some(Data::Sum(sum)) => sum.data_points,
        Some(Data::Histogram(histogram)) => {
            let points = histogram.data_points.iter();
            return points
                .map(|point| (labels(&point.attributes), point.count as f64))
                .collect();
        }
        other => panic!("nothing here measures so: {other:?}"),
    };
    let number = |value| match value {
        Some(Value::AsDouble(value)) => value,
        Some(Value::AsInt(value)) => value as f64,
        None => f64::NAN,
    };
    numbers
        .iter()
        .map(|point| (labels(&point.attributes), number(point.value)))
        .collect()
}

// === impl Pushed ===

impl Pushed {
    /// The pushes of a message, one for each resource.
    pub(crate) fn all(request: ExportMetricsServiceRequest) -> Vec<Self> {
        let mut all = Vec::new();
        for of_resource in request.resource_metrics {
            let mut pushed = Self {
                resource: attributes(&of_resource.resource.unwrap().attributes),
                ..Self::default()
            };
            let metrics = of_resource.scope_metrics.into_iter();
            for metric in metrics.flat_map(|it| it.metrics) {
                for (labels, value) in points(metric.data) {
                    pushed.values.insert(metric.name.clone() + &labels, value);
                }
            }
            all.push(pushed);
        }
        all
    }

    /// Whether a series has this value.
    pub(crate) fn has(&self, series: &str, value: f64) -> bool {
        let seen = self.values.get(series);
        seen.is_some_and(|seen| (seen - value).abs() < f64::EPSILON)
    }
}

// === impl Received ===

impl Received {
    fn take_metrics(&self, headers: HeaderMap, request: ExportMetricsServiceRequest) {
        self.headers.send_replace(headers);
        self.pushes
            .send_modify(|pushes| pushes.extend(Pushed::all(request)));
    }
}

#[tonic::async_trait]
impl MetricsService for Received {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        self.take_metrics(metadata.into_headers(), request);
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

pub(super) async fn take(State(received): State<Received>, headers: HeaderMap, body: Bytes) {
    let request = ExportMetricsServiceRequest::decode(body).unwrap();
    received.take_metrics(headers, request);
}
