//! One span for every sampled call, from the head of its request to the last byte of its response, as
//! OpenTelemetry's [conventions for gRPC] (1.38 and later) describe servers.
//!
//! A call's context is the current one ([`Context::current`]) wherever its handler runs, so that the
//! spans of a store, or of a call to another server, become children without being handed anything; a
//! handler that spawns a task has to hand it on. What is not sampled costs a context, so that the
//! decision travels on, and nothing else.
//!
//! [conventions for gRPC]: https://opentelemetry.io/docs/specs/semconv/rpc/grpc/

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::HashMap;
use http::Request;
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanId, SpanKind, Status, TraceContextExt as _, TraceId, Tracer as _,
};
use opentelemetry::{Context, ContextGuard, KeyValue, StringValue};
use opentelemetry_sdk::trace::SdkTracer;
use tonic::Code;
use tonic::transport::server::TcpConnectInfo;

use super::metrics::CODES;
use crate::framing::Framing;
use crate::methods::Method;
use crate::telemetry::traces::{Headers, Propagation, Traces};

/// How many messages of a stream have events of their own, in each direction; all are counted. A span
/// is held in memory until its stream ends, and streams may last for days.
const EVENTS: u64 = 16;

/// Makes the spans of one server. Clones share everything.
#[derive(Clone)]
pub struct Spans(Arc<Inner>);

struct Inner {
    /// `None` where no spans are made; a caller's trace is handed on all the same.
    tracer: Option<SdkTracer>,
    propagation: Propagation,
    /// By path.
    methods: HashMap<String, Known>,
}

/// A method that is served.
#[derive(Clone)]
struct Known {
    name: StringValue,
    is_stream: bool,
}

/// The span of a call that is under way, or only the trace that it belongs to.
#[derive(Debug)]
pub(super) struct CallSpan {
    context: Context,
    is_recording: bool,
    /// Whether the handler goes on while the response is sent.
    is_stream: bool,
    /// `None` where messages are not looked at.
    messages: Option<Arc<Counts>>,
}

/// How many messages a stream has had.
#[derive(Debug, Default)]
struct Counts {
    received: AtomicU64,
    sent: AtomicU64,
}

/// Looks at the messages of one direction of a stream.
#[derive(Debug)]
pub(super) struct Messages {
    context: Context,
    counts: Arc<Counts>,
    direction: Direction,
    framing: Framing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Received,
    Sent,
}

/// Whether a server's span has failed with this code, by the conventions: what the caller got wrong is
/// no failure of the server.
fn is_error(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

// === impl Spans ===

impl Spans {
    /// Makes spans of calls of these methods; all others are `_OTHER`.
    #[must_use]
    pub fn new(traces: &Traces, methods: &[Method]) -> Self {
        let known = |method: &Method| Known {
            name: method.path.trim_start_matches('/').to_owned().into(),
            is_stream: method.is_stream,
        };
        Self(Arc::new(Inner {
            tracer: traces.tracer(env!("CARGO_PKG_NAME")),
            propagation: traces.propagation().clone(),
            methods: methods
                .iter()
                .map(|method| (method.path.clone(), known(method)))
                .collect(),
        }))
    }

    /// A call begins; `None` when it belongs to no trace.
    pub(super) fn start<B>(&self, request: &Request<B>) -> Option<CallSpan> {
        // Not the current context: a connection's task has none, and must not lend one to its calls.
        let mut parent = Context::new();
        if self.0.propagation.is_in(request.headers()) {
            let headers = Headers(request.headers());
            parent = self.0.propagation.extract_with_context(&parent, &headers);
        } else if self.0.tracer.is_none() {
            return None;
        }
        let known = self.0.methods.get(request.uri().path());
        let is_stream = known.is_some_and(|known| known.is_stream);
        let Some(tracer) = &self.0.tracer else {
            let is_there = parent.has_active_span() || !parent.baggage().is_empty();
            return is_there.then(|| CallSpan::unrecorded(parent, is_stream));
        };
        // The sampler decides by the trace alone, so that what describes the call can wait for it.
        let builder = SpanBuilder::from_name("").with_kind(SpanKind::Server);
        let mut span = tracer.build_with_context(builder, &parent);
        if !span.is_recording() {
            let context = span.span_context().clone();
            let parent = parent.with_remote_span_context(context);
            return Some(CallSpan::unrecorded(parent, is_stream));
        }
        if let Some(known) = known {
            span.update_name(known.name.as_str().to_owned());
            span.set_attribute(KeyValue::new("rpc.method", known.name.clone()));
        } else {
            // Whoever calls could invent as many names as there is memory for.
            span.update_name("grpc");
            span.set_attribute(KeyValue::new("rpc.method", "_OTHER"));
        }
        span.set_attributes(described(request));
        Some(CallSpan {
            context: parent.with_span(span),
            is_recording: true,
            is_stream,
            messages: is_stream.then(Arc::default),
        })
    }
}

/// What there is to say of a call beside its method.
fn described<B>(request: &Request<B>) -> Vec<KeyValue> {
    let mut attributes = vec![KeyValue::new("rpc.system.name", "grpc")];
    if let Some(authority) = request.uri().authority() {
        attributes.push(KeyValue::new(
            "server.address",
            authority.host().trim_matches(['[', ']']).to_owned(),
        ));
        let port = authority.port_u16();
        attributes.extend(port.map(|port| KeyValue::new("server.port", i64::from(port))));
    }
    let peer = request.extensions().get::<TcpConnectInfo>();
    if let Some(peer) = peer.and_then(TcpConnectInfo::remote_addr) {
        let address: StringValue = peer.ip().to_string().into();
        attributes.extend([
            KeyValue::new("client.address", address.clone()),
            KeyValue::new("client.port", i64::from(peer.port())),
            KeyValue::new("network.peer.address", address),
            KeyValue::new("network.peer.port", i64::from(peer.port())),
        ]);
    }
    attributes
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spans").finish_non_exhaustive()
    }
}

// === impl CallSpan ===

impl CallSpan {
    fn unrecorded(context: Context, is_stream: bool) -> Self {
        Self {
            context,
            is_recording: false,
            is_stream,
            messages: None,
        }
    }

    /// Makes the call's context the current one of this thread, until the guard is dropped.
    pub(super) fn enter(&self) -> ContextGuard {
        self.context.clone().attach()
    }

    /// The same while the response is sent: nothing of a unary call's handler runs then.
    pub(super) fn enter_stream(&self) -> Option<ContextGuard> {
        self.is_stream.then(|| self.enter())
    }

    /// What the log names the call's trace by, sampled or not.
    pub(super) fn ids(&self) -> Option<(TraceId, SpanId)> {
        let span = self.context.span();
        let span = span.span_context();
        span.is_valid().then(|| (span.trace_id(), span.span_id()))
    }

    /// What the messages of the request are looked at with.
    pub(super) fn received(&self) -> Option<Messages> {
        self.messages(Direction::Received)
    }

    /// What those of the response are looked at with.
    pub(super) fn sent(&self) -> Option<Messages> {
        self.messages(Direction::Sent)
    }

    fn messages(&self, direction: Direction) -> Option<Messages> {
        self.messages.as_ref().map(|counts| Messages {
            context: self.context.clone(),
            counts: counts.clone(),
            direction,
            framing: Framing::default(),
        })
    }

    /// The call is over.
    pub(super) fn finish(self, code: Code) {
        if !self.is_recording {
            return;
        }
        let span = self.context.span();
        let name = CODES[code as usize];
        span.set_attribute(KeyValue::new("rpc.response.status_code", name));
        if is_error(code) {
            span.set_attribute(KeyValue::new("error.type", name));
            // The description is for what the attributes do not say.
            span.set_status(Status::error(""));
        }
        if let Some(counts) = &self.messages {
            for (key, count) in [
                ("rpc.messages.received", &counts.received),
                ("rpc.messages.sent", &counts.sent),
            ] {
                let count = i64::try_from(count.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
                span.set_attribute(KeyValue::new(key, count));
            }
        }
        span.end();
    }
}

// === impl Messages ===

impl Messages {
    /// These bytes go by.
    pub(super) fn read(&mut self, data: &[u8]) {
        let (count, event) = match self.direction {
            Direction::Received => (&self.counts.received, "Inbound message"),
            Direction::Sent => (&self.counts.sent, "Outbound message"),
        };
        let context = &self.context;
        self.framing.read(data, |size| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            if number < EVENTS {
                // The names are those of gRFC A72; the conventions have none.
                let number = i64::try_from(number).unwrap_or(i64::MAX);
                let size = i64::try_from(size).unwrap_or(i64::MAX);
                let attributes = vec![
                    KeyValue::new("sequence-number", number),
                    KeyValue::new("message-size", size),
                ];
                context.span().add_event(event, attributes);
            }
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};

    use super::*;

    fn spans(tracer: Option<SdkTracer>) -> Spans {
        let methods = [Method {
            path: "/test.Subject/Watch".to_owned(),
            is_stream: true,
        }];
        let config = crate::telemetry::Config::default();
        let service = crate::telemetry::Service {
            name: "subject",
            version: "1.2.3",
            instance: "replica-1".to_owned(),
        };
        let off = Traces::start(&config, &service, None).unwrap();
        let mut spans = Spans::new(&off, &methods);
        Arc::get_mut(&mut spans.0).unwrap().tracer = tracer;
        spans
    }

    #[test]
    fn a_long_stream_has_few_events_and_all_its_messages_counted() {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exporter.clone())
            .build();
        let spans = spans(Some(provider.tracer("test")));
        let request = Request::post("/test.Subject/Watch").body(()).unwrap();
        let call = spans.start(&request).unwrap();
        let mut messages = call.sent().unwrap();
        for _ in 0..1000 {
            messages.read(&[0, 0, 0, 0, 1, 0xff]);
        }
        call.finish(Code::Ok);
        let finished = exporter.get_finished_spans().unwrap();
        let sent = finished[0]
            .attributes
            .iter()
            .find(|it| it.key.as_str() == "rpc.messages.sent");
        assert_eq!(sent.unwrap().value, 1000.into());
        assert_eq!(finished[0].events.len(), usize::try_from(EVENTS).unwrap());
    }

    #[test]
    fn a_method_that_is_not_served_gives_a_span_no_name_of_its_own() {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exporter.clone())
            .build();
        let request = Request::post("/made.Up/Name").body(()).unwrap();
        let call = spans(Some(provider.tracer("test"))).start(&request);
        call.unwrap().finish(Code::Unimplemented);
        let finished = exporter.get_finished_spans().unwrap();
        assert_eq!(finished[0].name, "grpc");
        assert!(!format!("{finished:?}").contains("made.Up"));
    }

    #[test]
    fn without_a_trace_and_without_a_tracer_there_is_nothing() {
        let request = Request::post("/test.Subject/Watch").body(()).unwrap();
        assert!(spans(None).start(&request).is_none());
    }
}
