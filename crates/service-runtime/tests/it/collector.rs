//! A collector in this process: it speaks the published protos of OTLP, over gRPC and over HTTP, and
//! remembers what it was sent.

// Other crates' tests find these by this path, too.
#[path = "collector/logs.rs"]
mod logs;
#[path = "collector/metrics.rs"]
mod metrics;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::LogsServiceServer;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::MetricsServiceServer;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status};

pub(crate) use self::logs::Logged;
pub(crate) use self::metrics::Pushed;
use super::soon;

/// A collector, and what it has.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    received: Received,
    _task: AbortOnDropHandle<()>,
}

/// One span that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty for the first one of a trace.
    pub(crate) parent: String,
    pub(crate) name: String,
    /// As the protos number it.
    pub(crate) kind: i32,
    pub(crate) attributes: BTreeMap<String, String>,
    /// Those of the process that made it.
    pub(crate) resource: BTreeMap<String, String>,
    pub(crate) events: Vec<(String, BTreeMap<String, String>)>,
    pub(crate) is_error: bool,
    pub(crate) start: u64,
}

#[derive(Clone, Debug, Default)]
struct Received {
    spans: Arc<watch::Sender<Vec<Seen>>>,
    logs: Arc<watch::Sender<Vec<Logged>>>,
    pushes: Arc<watch::Sender<Vec<Pushed>>>,
    headers: Arc<watch::Sender<HeaderMap>>,
}

pub(crate) const SERVER: i32 = 2;
pub(crate) const CLIENT: i32 = 3;
pub(crate) const INTERNAL: i32 = 1;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::BoolValue(it)) => it.to_string(),
        other => format!("{other:?}"),
    }
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|pair| (pair.key.clone(), text(pair.value.as_ref())))
        .collect()
}

// === impl Collector ===

impl Collector {
    /// One that speaks gRPC.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, received) = (listener.local_addr().unwrap(), Received::default());
        let serving = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(received.clone()))
            .add_service(MetricsServiceServer::new(received.clone()))
            .add_service(LogsServiceServer::new(received.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let task = tokio::spawn(async move { serving.await.unwrap() });
        Self {
            address,
            received,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// One that speaks HTTP with a protobuf body.
    pub(crate) async fn start_http() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, received) = (listener.local_addr().unwrap(), Received::default());
        let routes = axum::Router::new()
            .route("/v1/traces", post(take))
            .route("/v1/metrics", post(metrics::take))
            .route("/v1/logs", post(logs::take))
            .with_state(received.clone());
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self {
            address,
            received,
            _task: AbortOnDropHandle::new(task),
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has arrived until now.
    pub(crate) fn spans(&self) -> Vec<Seen> {
        self.received.spans.borrow().clone()
    }

    /// What has arrived, once there are so many.
    pub(crate) async fn at_least(&self, count: usize) -> Vec<Seen> {
        let mut spans = self.received.spans.subscribe();
        let spans = spans.wait_for(|spans| spans.len() >= count);
        soon("the spans", spans).await.unwrap().clone()
    }

    /// The log records that have arrived until now.
    pub(crate) fn logs(&self) -> Vec<Logged> {
        self.received.logs.borrow().clone()
    }

    /// The first log record with this message, once it is there.
    pub(crate) async fn logged(&self, message: &str) -> Logged {
        let mut logs = self.received.logs.subscribe();
        let has = |logged: &&Logged| logged.message == message;
        let found = logs.wait_for(|logs| logs.iter().any(|logged| has(&logged)));
        let logs = soon(message, found).await.unwrap();
        logs.iter().find(has).unwrap().clone()
    }

    /// What the pushes have had until now.
    pub(crate) fn pushes(&self) -> Vec<Pushed> {
        self.received.pushes.borrow().clone()
    }

    /// The first push in which a series has this value.
    pub(crate) async fn pushed(&self, series: &str, value: f64) -> Pushed {
        let mut pushes = self.received.pushes.subscribe();
        let has = |pushed: &&Pushed| pushed.has(series, value);
        let found = pushes.wait_for(|pushes| pushes.iter().any(|pushed| has(&pushed)));
        let pushes = soon(series, found).await.unwrap();
        pushes.iter().find(has).unwrap().clone()
    }

    /// The metadata of the last request.
    pub(crate) fn headers(&self) -> HeaderMap {
        self.received.headers.borrow().clone()
    }
}

// === impl Received ===

impl Received {
    fn take(&self, headers: HeaderMap, request: ExportTraceServiceRequest) {
        self.headers.send_replace(headers);
        self.spans
            .send_modify(|spans| spans.extend(Seen::all(request)));
    }
}

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        self.take(metadata.into_headers(), request);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn take(State(received): State<Received>, headers: HeaderMap, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    received.take(headers, request);
}

// === impl Seen ===

impl Seen {
    /// The spans of a message, each with the resource that it has in common with others.
    pub(crate) fn all(request: ExportTraceServiceRequest) -> impl Iterator<Item = Self> {
        request.resource_spans.into_iter().flat_map(|of_resource| {
            let resource = attributes(&of_resource.resource.unwrap().attributes);
            let spans = of_resource.scope_spans.into_iter().flat_map(|it| it.spans);
            spans.map(move |span| Self::of(span, resource.clone()))
        })
    }

    fn of(span: Span, resource: BTreeMap<String, String>) -> Self {
        let events = span.events.iter();
        Self {
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            name: span.name,
            kind: span.kind,
            attributes: attributes(&span.attributes),
            resource,
            events: events
                .map(|event| (event.name.clone(), attributes(&event.attributes)))
                .collect(),
            is_error: span.status.is_some_and(|status| status.code == 2),
            start: span.start_time_unix_nano,
        }
    }

    /// An attribute, which has to be there.
    pub(crate) fn attribute(&self, key: &str) -> &str {
        match self.attributes.get(key) {
            Some(value) => value,
            None => panic!("there must be {key} in {self:#?}"),
        }
    }
}
