//! The OpenTelemetry spans, as an SDK sees them, and the trace that a replica is sent.

use std::time::Duration;

use grpc_channel::{Builder, HedgingPolicy};
use opentelemetry::Context;
use opentelemetry::trace::{
    FutureExt as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags,
    TraceId, TraceState,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider, SpanData};
use tonic::Code;

use crate::echo::{Client, Method, message};
use crate::hedging::raced;
use crate::raw::{Listener, NO_ERROR};
use crate::replica::{Replica, builder, ready, replicas, to};
use crate::{bounded, wait_until};

const READ: &str = "echo.v1.EchoService/Read";

/// A tracer provider whose spans a test can read.
struct Recorded {
    provider: SdkTracerProvider,
    exporter: InMemorySpanExporter,
}

/// A caller's span of another process.
fn current() -> Context {
    let span = SpanContext::new(
        TraceId::from(1),
        SpanId::from(2),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    Context::new().with_remote_span_context(span)
}

fn header(span: &SpanContext) -> String {
    let flags = u8::from(span.is_sampled());
    format!("00-{}-{}-0{flags}", span.trace_id(), span.span_id())
}

/// What the replica was sent, in the order of its calls.
fn sent(replica: &Replica) -> Vec<Option<String>> {
    let seen = replica.seen();
    let headers = seen.iter().map(|seen| seen.header("traceparent"));
    headers.map(|it| it.map(str::to_owned)).collect()
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    let mut attributes = span.attributes.iter();
    let attribute = attributes.find(|it| it.key.as_str() == key);
    attribute.map(|it| it.value.to_string())
}

fn status(span: &SpanData) -> String {
    attribute(span, "rpc.response.status_code").expect("every span that has ended has it")
}

// === impl Recorded ===

impl Recorded {
    fn new(sampler: Sampler) -> Self {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exporter.clone())
            .with_sampler(sampler)
            .build();
        Self { provider, exporter }
    }

    fn by(&self, builder: Builder) -> Builder {
        builder
            .tracer_provider(&self.provider)
            .text_map_propagator(TraceContextPropagator::new())
    }

    fn spans(&self) -> Vec<SpanData> {
        self.exporter.get_finished_spans().unwrap()
    }

    /// The spans of calls.
    fn calls(&self) -> Vec<SpanData> {
        let mut spans = self.spans();
        spans.retain(|span| span.span_kind == SpanKind::Internal);
        spans
    }

    /// The attempts of a call, in the order in which they were begun.
    fn attempts(&self, call: &SpanData) -> Vec<SpanData> {
        let mut spans = self.spans();
        spans.retain(|span| {
            span.parent_span_id == call.span_context.span_id()
                && span.span_context.trace_id() == call.span_context.trace_id()
        });
        spans.sort_by_key(|span| span.start_time);
        spans
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_a_child_of_the_current_span_and_its_attempt_is_what_travels() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let recorded = Recorded::new(Sampler::AlwaysOn);
        let channel = recorded.by(to([&replica])).connect().unwrap();
        let client = Client::new(&channel);
        let call = client.call(Method::Read).with_context(current());
        call.await.unwrap();

        let [call] = &recorded.calls()[..] else {
            panic!("one call is one span");
        };
        assert_eq!(call.name, READ);
        assert_eq!(call.span_context.trace_id(), TraceId::from(1));
        assert_eq!(call.parent_span_id, SpanId::from(2));
        let [attempt] = &recorded.attempts(call)[..] else {
            panic!("it was sent once");
        };
        assert_eq!(
            (&*attempt.name, &attempt.span_kind),
            (READ, &SpanKind::Client)
        );
        assert_eq!(sent(&replica), [Some(header(&attempt.span_context))]);
        let (ip, port) = (replica.address.ip(), replica.address.port());
        for (key, value) in [
            ("rpc.system.name", "grpc".to_owned()),
            ("rpc.method", READ.to_owned()),
            ("rpc.response.status_code", "OK".to_owned()),
            ("network.peer.address", ip.to_string()),
            ("network.peer.port", port.to_string()),
            ("previous-rpc-attempts", "0".to_owned()),
            ("transparent-retry", "false".to_owned()),
        ] {
            assert_eq!(attribute(attempt, key), Some(value), "{key}");
        }
        assert_eq!(attempt.status, Status::Unset);
        assert_eq!(attempt.instrumentation_scope.name(), "grpc-channel");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_retry_is_an_attempt_of_its_own() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let recorded = Recorded::new(Sampler::AlwaysOn);
        let channel = recorded.by(to([&replica])).connect().unwrap();
        replica.refuse(2, Code::Unavailable);
        Client::new(&channel).call(Method::Read).await.unwrap();

        let calls = recorded.calls();
        let attempts = recorded.attempts(&calls[0]);
        let codes: Vec<_> = attempts.iter().map(status).collect();
        assert_eq!(codes, ["UNAVAILABLE", "UNAVAILABLE", "OK"]);
        let previous = attempts
            .iter()
            .map(|it| attribute(it, "previous-rpc-attempts"));
        let previous: Vec<_> = previous.map(Option::unwrap).collect();
        assert_eq!(previous, ["0", "1", "2"]);
        assert_eq!(status(&calls[0]), "OK");
        let headers = attempts.iter().map(|it| Some(header(&it.span_context)));
        assert_eq!(sent(&replica), headers.collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_after_a_drain_says_that_it_is_transparent() {
    bounded(async {
        let listener = Listener::bind().await;
        let recorded = Recorded::new(Sampler::AlwaysOn);
        let channel = recorded.by(builder(listener.target())).connect().unwrap();
        let mut peer = listener.peer().await;
        let client = Client::new(&channel);
        let call = tokio::spawn(async move { client.call(Method::Add).await });
        let (stream, _) = peer.request().await;
        peer.go_away(stream - 1, NO_ERROR, "").await;
        let mut peer = listener.peer().await;
        let (stream, _) = peer.request().await;
        peer.respond(stream, &message("again")).await;
        call.await.unwrap().unwrap();

        let attempts = recorded.attempts(&recorded.calls()[0]);
        let transparent = attempts.iter().map(|it| attribute(it, "transparent-retry"));
        let transparent: Vec<_> = transparent.map(Option::unwrap).collect();
        assert_eq!(transparent, ["false", "true"]);
        assert_eq!(
            attribute(&attempts[1], "previous-rpc-attempts").as_deref(),
            Some("0"),
            "what no server has seen does not count"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_attempts_of_a_hedged_call_are_below_it() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let recorded = Recorded::new(Sampler::AlwaysOn);
        let policy = HedgingPolicy {
            hedging_delay: Duration::ZERO,
            ..HedgingPolicy::default()
        };
        let builder = recorded.by(to(&replicas).hedging(policy));
        let channel = builder.connect().unwrap();
        ready(&channel, 2).await;
        raced(&channel, &replicas).await;

        let calls = recorded.calls();
        let attempts = recorded.attempts(&calls[0]);
        let port_of = |replica: &Replica| Some(replica.address.to_string());
        let address = |span: &SpanData| {
            let part = |key| attribute(span, key).unwrap();
            let ip = part("network.peer.address");
            Some(format!("{ip}:{}", part("network.peer.port")))
        };
        let mut seen: Vec<_> = attempts
            .iter()
            .map(|it| (address(it), status(it)))
            .collect();
        seen.sort_by(|one, other| one.1.cmp(&other.1));
        let expected = [
            (port_of(&replicas[0]), "CANCELLED".to_owned()),
            (port_of(&replicas[1]), "OK".to_owned()),
        ];
        assert_eq!(seen, expected);
        assert_eq!(status(&calls[0]), "OK");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_fail_or_end_early_say_what_their_caller_knows() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let recorded = Recorded::new(Sampler::AlwaysOn);
        let channel = recorded.by(to([&replica])).connect().unwrap();
        let client = Client::new(&channel);
        replica.refuse(1, Code::NotFound);
        client.call(Method::Add).await.unwrap_err();

        replica.hold();
        let soon = Duration::from_millis(50);
        client.call_within(Method::Add, soon).await.unwrap_err();

        let given_up = tokio::spawn({
            let client = client.clone();
            async move { client.call(Method::Add).await }
        });
        wait_until("the call has arrived", || replica.started() == 3).await;
        given_up.abort();
        let _ = given_up.await;

        let calls = recorded.calls();
        let codes: Vec<_> = calls.iter().map(status).collect();
        assert_eq!(codes, ["NOT_FOUND", "DEADLINE_EXCEEDED", "CANCELLED"]);
        for call in &calls {
            assert_eq!(attribute(call, "error.type"), Some(status(call)));
            assert!(matches!(call.status, Status::Error { .. }), "{call:?}");
            let attempts = recorded.attempts(call);
            assert_eq!(attempts.len(), 1);
            assert_eq!(status(&attempts[0]), status(call));
        }
        replica.release();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_span_of_a_stream_ends_with_the_stream() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let recorded = Recorded::new(Sampler::AlwaysOn);
        let channel = recorded.by(to([&replica])).connect().unwrap();
        let mut request = message("hello");
        request.number = 3;
        let client = Client::new(&channel);
        let answers = client.watch(tonic::Request::new(request)).await;
        let mut answers = answers.unwrap().into_inner();
        answers.message().await.unwrap().unwrap();
        assert!(recorded.spans().is_empty(), "it goes on");
        while answers.message().await.unwrap().is_some() {}
        let calls = recorded.calls();
        assert_eq!(status(&calls[0]), "OK");
        assert_eq!(recorded.attempts(&calls[0]).len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_sampled_is_not_recorded_and_the_replica_is_told_so() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let recorded = Recorded::new(Sampler::AlwaysOff);
        let channel = recorded.by(to([&replica])).connect().unwrap();
        let client = Client::new(&channel);
        let call = client.call(Method::Read).with_context(current());
        call.await.unwrap();
        assert!(recorded.spans().is_empty());
        let sent = sent(&replica);
        let header = sent[0].as_ref().expect("the decision travels on");
        let trace = TraceId::from(1).to_string();
        assert!(
            header.contains(&trace) && header.ends_with("-00"),
            "{header}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_tracer_the_current_trace_goes_on_as_it_is() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let builder = to([&replica]).text_map_propagator(TraceContextPropagator::new());
        let channel = builder.connect().unwrap();
        let client = Client::new(&channel);
        let call = client.call(Method::Read).with_context(current());
        call.await.unwrap();
        client.call(Method::Read).await.unwrap();
        let expected = header(current().span().span_context());
        assert_eq!(sent(&replica), [Some(expected), None]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_was_not_asked_hands_nothing_on() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let channel = to([&replica]).connect().unwrap();
        let client = Client::new(&channel);
        let call = client.call(Method::Read).with_context(current());
        call.await.unwrap();
        assert_eq!(sent(&replica), [None]);
    })
    .await;
}
