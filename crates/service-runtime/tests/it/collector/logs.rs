//! The log records that a collector was sent.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::LogsService;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message as _;
use tonic::{Request, Response, Status};

use super::{Received, attributes, hex, text};

/// One log record that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) message: String,
    pub(crate) level: String,
    pub(crate) target: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) resource: BTreeMap<String, String>,
    /// Both are empty where there was none.
    pub(crate) trace: String,
    pub(crate) span: String,
}

// === impl Logged ===

impl Logged {
    /// The records of a message, each with the resource that it has in common with others.
    pub(crate) fn all(request: ExportLogsServiceRequest) -> Vec<Self> {
        let mut all = Vec::new();
        for of_resource in request.resource_logs {
            let resource = attributes(&of_resource.resource.unwrap().attributes);
            for of_scope in of_resource.scope_logs {
                let target = of_scope.scope.unwrap_or_default().name;
                let records = of_scope.log_records.into_iter();
                all.extend(records.map(|it| Self::of(it, &target, &resource)));
            }
        }
        all
    }

    fn of(record: LogRecord, target: &str, resource: &BTreeMap<String, String>) -> Self {
        Self {
            message: text(record.body.as_ref()),
            attributes: attributes(&record.attributes),
            level: record.severity_text,
            target: target.to_owned(),
            resource: resource.clone(),
            trace: hex(&record.trace_id),
            span: hex(&record.span_id),
        }
    }
}

// === impl Received ===

impl Received {
    fn take_logs(&self, headers: HeaderMap, request: ExportLogsServiceRequest) {
        self.headers.send_replace(headers);
        self.logs
            .send_modify(|logs| logs.extend(Logged::all(request)));
    }
}

#[tonic::async_trait]
impl LogsService for Received {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        self.take_logs(metadata.into_headers(), request);
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

pub(super) async fn take(State(received): State<Received>, headers: HeaderMap, body: Bytes) {
    let request = ExportLogsServiceRequest::decode(body).unwrap();
    received.take_logs(headers, request);
}
