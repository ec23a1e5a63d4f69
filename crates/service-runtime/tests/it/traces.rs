//! What a collector is told of the calls of a server, and what a collector that is not there costs.

use std::time::Duration;

use service_runtime::auth::Guard;
use service_runtime::faults::Faults;
use service_runtime::layers::spans::Spans;
use service_runtime::layers::{Layers, identity::Identity};
use service_runtime::limits::Limits;
use service_runtime::methods::Method;
use service_runtime::server::Running;
use service_runtime::telemetry::Config;
use service_runtime::telemetry::traces::{Exporter, Protocol, Traces};
use tokio::net::TcpListener;
use tonic::Request;

use crate::collector::{Collector, SERVER, Seen};
use crate::scrape::Scraped;
use crate::subject::{OTHER, asking, connect_other, on_a_free_port, soon, start_in};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Traces that all go there, soon.
pub(crate) fn to(endpoint: String) -> Config {
    let mut config = Config::default();
    config.traces.exporter = Exporter::Otlp;
    config.traces.otlp.endpoint = endpoint;
    config.traces.batch.delay = Duration::from_millis(10);
    config
}

pub(crate) fn start(traces: &Traces) -> Running {
    let methods = [("Check", false), ("Watch", true)].map(|(name, is_stream)| Method {
        path: format!("{OTHER}{name}"),
        is_stream,
    });
    let layers = Layers {
        identity: Identity::new("replica-1", "1.2.3").unwrap(),
        guard: Guard::open(),
        limits: Limits::off(),
        faults: Faults::off(),
        calls: None,
        spans: Some(Spans::new(traces, &methods)),
    };
    let (server, gate) = start_in(layers, |bound| bound, on_a_free_port());
    gate.open();
    server
}

/// Calls `Check` with this metadata.
pub(crate) async fn call(server: &Running, what: &str, metadata: &[(&'static str, &str)]) {
    let mut client = connect_other(server.local_address()).await;
    let mut request = Request::new(asking(what));
    for (name, value) in metadata {
        request.metadata_mut().insert(*name, value.parse().unwrap());
    }
    // Some fail on purpose.
    let _ = client.check(request).await;
}

/// The span of one call with this metadata.
async fn span_of(what: &str, metadata: &[(&'static str, &str)]) -> Seen {
    let collector = Collector::start().await;
    let scraped = Scraped::start();
    let traces = scraped.traced(&to(collector.endpoint()));
    let server = start(&traces);
    call(&server, what, metadata).await;
    let spans = collector.at_least(1).await;
    traces.flush().await;
    assert_eq!(collector.spans().len(), 1, "one call is one span");
    spans[0].clone()
}

#[tokio::test]
async fn a_call_is_one_span_that_goes_on_with_its_callers_trace() {
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let span = span_of("", &[("traceparent", &parent)]).await;
    assert_eq!((span.trace.as_str(), span.parent.as_str()), (TRACE, PARENT));
    assert_eq!(span.name, "test.Subject/Check");
    assert_eq!(span.kind, SERVER);
    assert!(!span.is_error);
    for (key, value) in [
        ("rpc.system.name", "grpc"),
        ("rpc.method", "test.Subject/Check"),
        ("rpc.response.status_code", "OK"),
        ("server.address", "127.0.0.1"),
        ("client.address", "127.0.0.1"),
    ] {
        assert_eq!(span.attribute(key), value, "{key}");
    }
    assert!(!span.attributes.contains_key("error.type"), "{span:?}");
    for (key, value) in [
        ("service.name", "subject"),
        ("service.version", "1.2.3"),
        ("service.instance.id", "replica-1"),
        ("telemetry.sdk.language", "rust"),
    ] {
        assert_eq!(span.resource[key], value, "{key}");
    }
}

#[tokio::test]
async fn a_failure_of_the_server_is_an_error_and_a_panic_as_well() {
    for what in ["fails", "panics"] {
        let span = span_of(what, &[]).await;
        assert!(span.is_error, "{span:?}");
        assert_eq!(span.attribute("rpc.response.status_code"), "INTERNAL");
        assert_eq!(span.attribute("error.type"), "INTERNAL");
        assert_eq!(span.parent, "", "a trace begins where its caller has none");
    }
}

#[tokio::test]
async fn b3_is_read_in_both_its_forms() {
    let single = format!("{TRACE}-{PARENT}-1");
    let several = [
        ("x-b3-traceid", TRACE),
        ("x-b3-spanid", PARENT),
        ("x-b3-sampled", "1"),
    ];
    for metadata in [&[("b3", single.as_str())][..], &several] {
        let span = span_of("", metadata).await;
        assert_eq!((span.trace.as_str(), span.parent.as_str()), (TRACE, PARENT));
    }
}

#[tokio::test]
async fn a_stream_is_one_span_with_its_messages_counted() {
    let collector = Collector::start().await;
    let scraped = Scraped::start();
    let traces = scraped.traced(&to(collector.endpoint()));
    let server = start(&traces);
    let mut client = connect_other(server.local_address()).await;
    let mut stream = client.watch(asking("x")).await.unwrap().into_inner();
    while stream.message().await.unwrap().is_some() {}
    let spans = collector.at_least(1).await;
    traces.flush().await;
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0].attribute("rpc.messages.received"), "1");
    assert_eq!(spans[0].attribute("rpc.messages.sent"), "2");
    let names: Vec<_> = spans[0].events.iter().map(|(name, _)| &**name).collect();
    let outbound = "Outbound message";
    assert_eq!(names, ["Inbound message", outbound, outbound]);
    assert_eq!(spans[0].events[0].1["message-size"], "3");
}

#[tokio::test]
async fn only_what_is_sampled_is_sent() {
    let collector = Collector::start().await;
    let scraped = Scraped::start();
    let (yes, no) = (
        format!("00-{TRACE}-{PARENT}-01"),
        format!("00-{TRACE}-{PARENT}-00"),
    );
    for (ratio, parent_based, metadata, sent) in [
        (0.0, true, vec![], false),
        (0.0, true, vec![("traceparent", yes.as_str())], true),
        (1.0, true, vec![("traceparent", no.as_str())], false),
        (1.0, true, vec![("b3", "0")], false),
        (1.0, false, vec![("traceparent", no.as_str())], true),
        (0.0, false, vec![("traceparent", yes.as_str())], false),
    ] {
        let before = collector.spans().len();
        let mut config = to(collector.endpoint());
        (config.traces.ratio, config.traces.parent_based) = (ratio, parent_based);
        let traces = scraped.traced(&config);
        let server = start(&traces);
        call(&server, "", &metadata).await;
        traces.flush().await;
        let arrived = collector.spans().len() - before;
        assert_eq!(
            arrived,
            usize::from(sent),
            "{ratio} {parent_based} {metadata:?}"
        );
    }
}

#[tokio::test]
async fn an_edge_that_trusts_no_caller_begins_its_own_traces() {
    let collector = Collector::start().await;
    let mut config = to(collector.endpoint());
    config.traces.extract.clear();
    let traces = Scraped::start().traced(&config);
    let server = start(&traces);
    let parent = format!("00-{TRACE}-{PARENT}-01");
    call(&server, "", &[("traceparent", &parent)]).await;
    traces.flush().await;
    assert_ne!(collector.spans()[0].trace, TRACE);
}

#[tokio::test]
async fn the_last_spans_are_sent_when_the_process_ends_over_grpc_and_over_http() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let collector = match protocol {
            Protocol::Grpc => Collector::start().await,
            Protocol::HttpProtobuf => Collector::start_http().await,
        };
        let mut config = to(collector.endpoint());
        config.traces.otlp.protocol = protocol;
        config.traces.otlp.headers = "x-tenant=one".to_owned().into();
        config.traces.batch.delay = Duration::from_hours(1);
        let scraped = Scraped::start();
        let traces = scraped.traced(&config);
        let server = start(&traces);
        for _ in 0..3 {
            call(&server, "", &[]).await;
        }
        assert!(collector.spans().is_empty(), "they wait for others");
        traces.flush().await;
        assert_eq!(collector.spans().len(), 3, "{protocol:?}");
        assert_eq!(collector.headers()["x-tenant"], "one", "{protocol:?}");
        assert!(lost(&scraped, "shutdown").await.abs() < f64::EPSILON);
    }
}

async fn lost(scraped: &Scraped, reason: &str) -> f64 {
    let series = format!("telemetry_lost_total{{reason=\"{reason}\",signal=\"traces\"}}");
    scraped.value(&series).await
}

#[tokio::test]
async fn a_collector_that_swallows_everything_costs_a_queue_and_the_loss_is_counted() {
    // It accepts, reads nothing and answers nothing.
    let black_hole = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let endpoint = format!("http://{}", black_hole.local_addr().unwrap());
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let mut config = to(endpoint.clone());
        config.traces.otlp.protocol = protocol;
        config.traces.otlp.timeout = Duration::from_mins(1);
        (config.traces.batch.queue_size, config.traces.batch.size) = (8, 4);
        config.flush_timeout = Duration::from_millis(100);
        let scraped = Scraped::start();
        let traces = scraped.traced(&config);
        let server = start(&traces);
        let mut client = connect_other(server.local_address()).await;
        for _ in 0..50 {
            soon("an answer", client.check(asking(""))).await.unwrap();
        }
        let full = "telemetry_lost_total{reason=\"queue_full\",signal=\"traces\"}";
        scraped.until(full, 42.0).await;
        soon("the end of the flush", traces.flush()).await;
        let left = lost(&scraped, "shutdown").await;
        assert!((left - 8.0).abs() < f64::EPSILON, "{left} of 8 are counted");
    }
}

#[tokio::test]
async fn what_a_collector_that_is_down_did_not_take_is_counted() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut config = to(endpoint);
    config.traces.otlp.timeout = Duration::from_millis(200);
    let scraped = Scraped::start();
    let traces = scraped.traced(&config);
    let server = start(&traces);
    for _ in 0..3 {
        call(&server, "", &[]).await;
    }
    let failed = "telemetry_lost_total{reason=\"export_failed\",signal=\"traces\"}";
    scraped.until(failed, 3.0).await;
    soon("the end of the flush", traces.flush()).await;
}
