//! The OpenTelemetry spans of a channel: one for each call, and one below it for each attempt, as the
//! tree of gRFC [A72] has it.
//!
//! The names are those of OpenTelemetry's [conventions for gRPC] and not A72's `Sent.…` and `Attempt.…`,
//! so that the servers' spans, whichever library makes them, look alike. An attempt is what a server
//! sees, and so its span is of the kind CLIENT and is the one that travels in the metadata; the call's
//! is INTERNAL.
//!
//! Only the API of OpenTelemetry is used, and never its global provider. What is not sampled costs a
//! context, so that the decision travels on, and nothing else.
//!
//! [A72]: https://github.com/grpc/proposal/blob/master/A72-open-telemetry-tracing.md
//! [conventions for gRPC]: https://opentelemetry.io/docs/specs/semconv/rpc/grpc/

use std::sync::Arc;

use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::global::BoxedTracer;
use opentelemetry::propagation::{Injector, TextMapPropagator};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, KeyValue, StringValue};
use tonic::Code;

use crate::code::NAMES;
use crate::resolver::Address;

/// What one channel makes its spans with.
#[derive(Debug)]
pub(crate) struct Spans {
    /// `None` makes no spans; the caller's trace is handed on all the same.
    pub(crate) tracer: Option<BoxedTracer>,
    /// `None` hands nothing on.
    pub(crate) propagator: Option<Box<dyn TextMapPropagator + Send + Sync>>,
    /// What all of them say of the server.
    server: Vec<KeyValue>,
}

/// The span of a call that is under way.
#[derive(Debug)]
pub(super) struct CallSpan {
    spans: Arc<Spans>,
    context: Context,
    /// `None` when it is not sampled.
    method: Option<StringValue>,
}

/// The span of one of its attempts.
#[derive(Debug)]
pub(super) struct AttemptSpan {
    spans: Arc<Spans>,
    context: Context,
    is_recording: bool,
}

/// Writes into a call's metadata.
struct Metadata<'a>(&'a mut HeaderMap);

/// What a span says in the end. To a client everything but OK is an error.
fn end(context: &Context, code: Code) {
    let span = context.span();
    let name = usize::try_from(i32::from(code)).ok();
    // Code has no other numbers.
    let name = name
        .and_then(|place| NAMES.get(place))
        .unwrap_or(&"UNKNOWN");
    span.set_attribute(KeyValue::new("rpc.response.status_code", *name));
    if code != Code::Ok {
        span.set_attribute(KeyValue::new("error.type", *name));
        // The description is for what the attributes do not say.
        span.set_status(Status::error(""));
    }
    span.end();
}

// === impl Spans ===

impl Spans {
    pub(crate) fn new(
        tracer: Option<BoxedTracer>,
        propagator: Option<Box<dyn TextMapPropagator + Send + Sync>>,
        target: &Authority,
    ) -> Self {
        let host = target.host().trim_matches(['[', ']']).to_owned();
        let mut server = vec![
            KeyValue::new("rpc.system.name", "grpc"),
            KeyValue::new("server.address", host),
        ];
        let port = target.port_u16();
        server.extend(port.map(|port| KeyValue::new("server.port", i64::from(port))));
        Self {
            tracer,
            propagator,
            server,
        }
    }
}

// === impl CallSpan ===

impl CallSpan {
    /// A call begins, as a child of the current span.
    pub(super) fn begin(spans: &Arc<Spans>, path: &str) -> Self {
        let (parent, spans) = (Context::current(), spans.clone());
        let unrecorded = |spans, context| Self {
            spans,
            context,
            method: None,
        };
        let Some(tracer) = &spans.tracer else {
            return unrecorded(spans, parent);
        };
        // What describes the call can wait until it is sampled.
        let mut span = tracer.build_with_context(SpanBuilder::from_name(""), &parent);
        if !span.is_recording() {
            let context = parent.with_remote_span_context(span.span_context().clone());
            return unrecorded(spans, context);
        }
        let name = path.trim_start_matches('/');
        let method: StringValue = name.to_owned().into();
        span.update_name(name.to_owned());
        span.set_attributes(spans.server.iter().cloned());
        span.set_attribute(KeyValue::new("rpc.method", method.clone()));
        Self {
            context: parent.with_span(span),
            method: Some(method),
            spans,
        }
    }

    /// It is sent, after `previous` attempts that count; `transparent` when the one before was seen by
    /// no server.
    pub(super) fn attempt(&self, previous: u32, transparent: bool) -> AttemptSpan {
        let attempt = |context, is_recording| AttemptSpan {
            spans: self.spans.clone(),
            context,
            is_recording,
        };
        let (Some(tracer), Some(method)) = (&self.spans.tracer, &self.method) else {
            return attempt(self.context.clone(), false);
        };
        let name = method.as_str().to_owned();
        let mut attributes = self.spans.server.clone();
        attributes.extend([
            KeyValue::new("rpc.method", method.clone()),
            // These two are A72's.
            KeyValue::new("previous-rpc-attempts", i64::from(previous)),
            KeyValue::new("transparent-retry", transparent),
        ]);
        let builder = SpanBuilder::from_name(name)
            .with_kind(SpanKind::Client)
            .with_attributes(attributes);
        let span = tracer.build_with_context(builder, &self.context);
        attempt(self.context.with_span(span), true)
    }

    /// The caller knows how it ended.
    pub(super) fn ended(&self, code: Code) {
        if self.method.is_some() {
            end(&self.context, code);
        }
    }
}

// === impl AttemptSpan ===

impl AttemptSpan {
    /// It goes to this replica, with this metadata.
    pub(super) fn sending(&self, replica: &Address, metadata: &mut HeaderMap) {
        if self.is_recording {
            let span = self.context.span();
            match replica {
                Address::Socket(address) => {
                    let ip = address.ip().to_string();
                    span.set_attribute(KeyValue::new("network.peer.address", ip));
                    let port = i64::from(address.port());
                    span.set_attribute(KeyValue::new("network.peer.port", port));
                }
                #[cfg(unix)]
                Address::Unix(path) => {
                    let path = path.display().to_string();
                    span.set_attribute(KeyValue::new("network.peer.address", path));
                }
            }
        }
        if let Some(propagator) = &self.spans.propagator {
            propagator.inject_context(&self.context, &mut Metadata(metadata));
        }
    }

    pub(super) fn ended(&self, code: Code) {
        if self.is_recording {
            end(&self.context, code);
        }
    }
}

// === impl Metadata ===

impl Injector for Metadata<'_> {
    fn set(&mut self, key: &str, value: String) {
        let name = HeaderName::from_bytes(key.as_bytes());
        let value = HeaderValue::try_from(value);
        if let (Ok(name), Ok(value)) = (name, value)
            && !value.is_empty()
        {
            self.0.insert(name, value);
        }
    }
}
