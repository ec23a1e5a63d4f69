//! What operators can measure, read where Prometheus reads it.

use std::collections::BTreeSet;

use service_runtime::auth::Guard;
use service_runtime::faults::Faults;
use service_runtime::layers::metrics::Calls;
use service_runtime::layers::spans::Spans;
use service_runtime::layers::{Layers, identity::Identity};
use service_runtime::limits;
use service_runtime::methods::Method;
use service_runtime::server::Running;
use service_runtime::telemetry::instruments::{self, Kind};
use tonic::Code;

use crate::frames::{END_HEADERS, END_STREAM, HEADERS, Peer, frame, request};
use crate::scrape::{Scraped, telemetry};
use crate::subject::{Gate, OTHER, asking, connect, connect_other, on_a_free_port, soon, start_in};

/// A server that is measured in every way that needs no TLS.
pub(crate) fn start(scraped: &Scraped, limits: &limits::Config) -> (Running, Gate) {
    let methods = [("Check", false), ("Watch", true)].map(|(name, is_stream)| Method {
        path: format!("{OTHER}{name}"),
        is_stream,
    });
    let meter = scraped.meter();
    let layers = Layers {
        identity: Identity::new("replica-1", "1.2.3").unwrap(),
        guard: Guard::open(),
        limits: limits.start(&methods),
        faults: Faults::off(),
        calls: Some(Calls::new(&meter, &methods)),
        spans: Some(Spans::new(&scraped.traces(), &methods)),
    };
    layers.limits.measure(&meter);
    layers.faults.measure(&meter);
    start_in(layers, |bound| bound.measured(&meter), on_a_free_port())
}

pub(crate) fn finished(method: &str, status: &str) -> String {
    let name = "grpc_server_call_duration_seconds_count";
    format!("{name}{{grpc_method=\"test.Subject/{method}\",grpc_status=\"{status}\"}}")
}

pub(crate) fn begun(method: &str) -> String {
    format!("grpc_server_call_started_total{{grpc_method=\"{method}\"}}")
}

#[tokio::test]
async fn calls_are_measured_by_method_and_status() {
    let scraped = Scraped::start();
    let (server, gate) = start(&scraped, &limits::Config::default());
    let mut client = connect_other(server.local_address()).await;
    assert!(
        scraped.value(&begun("test.Subject/Check")).await < 1.0,
        "a method that nobody has called is there, so that its first call is seen"
    );

    for _ in 0..3 {
        client.check(asking("")).await.unwrap();
    }
    client.check(asking("fails")).await.unwrap_err();
    let mut stream = client.watch(asking("fails")).await.unwrap().into_inner();
    while stream.message().await.is_ok() {}
    drop(stream);
    // Whoever leaves has ended the call.
    let mut stream = client.watch(asking("slow")).await.unwrap().into_inner();
    stream.message().await.unwrap();
    gate.reached_by(1).await;
    scraped.until("limits_calls_running", 1.0).await;
    drop(stream);
    scraped.until(&finished("Watch", "CANCELLED"), 1.0).await;

    for (series, value) in [
        (begun("test.Subject/Check"), 4.0),
        (begun("test.Subject/Watch"), 2.0),
        (finished("Check", "OK"), 3.0),
        (finished("Check", "INTERNAL"), 1.0),
        (finished("Watch", "DATA_LOSS"), 1.0),
        ("server_connections_open".to_owned(), 1.0),
        ("server_connections_accepted_total".to_owned(), 1.0),
    ] {
        scraped.until(&series, value).await;
    }
    drop(client);
    scraped.until("server_connections_open", 0.0).await;
    scraped
        .until("server_connections_accepted_total", 1.0)
        .await;
    scraped.until("limits_calls_running", 0.0).await;
}

#[tokio::test]
async fn every_limit_that_is_met_is_counted_by_its_name() {
    let scraped = Scraped::start();
    let config = limits::Config {
        max_message_size: 1024,
        max_concurrent_calls: 1,
        ..limits::Config::default()
    };
    let (server, gate) = start(&scraped, &config);
    let mut client = connect_other(server.local_address()).await;
    let hits = |limit: &str| format!("limits_hits_total{{limit=\"{limit}\"}}");
    assert!(scraped.value(&hits("rate_per_caller")).await < 1.0);

    client.check(asking(&"x".repeat(2048))).await.unwrap_err();
    scraped.until(&hits("message_size"), 1.0).await;
    let mut other = client.clone();
    let running = tokio::spawn(async move { other.check(asking("slow")).await });
    gate.reached_by(1).await;
    for _ in 0..2 {
        let status = client.check(asking("")).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
    }
    scraped.until(&hits("concurrent_calls"), 2.0).await;
    scraped
        .until(&finished("Check", "RESOURCE_EXHAUSTED"), 3.0)
        .await;
    gate.open();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn methods_that_are_not_served_share_one_label() {
    let scraped = Scraped::start();
    let (server, _gate) = start(&scraped, &limits::Config::default());
    let mut peer = Peer::connect(server.local_address()).await;
    let before = scraped.series().await.len();
    let mut sizes = BTreeSet::new();
    for (number, stream) in (0..20_u32).zip((1..).step_by(2)) {
        let headers = request(&format!("/stranger.Service{number}/Method{number}"));
        let flags = END_HEADERS | END_STREAM;
        peer.send(&frame(HEADERS, flags, stream, &headers)).await;
        scraped.until(&begun("other"), f64::from(number + 1)).await;
        soon("the answer", async {
            while peer.next().await.expect("the connection stays").0 != HEADERS {}
        })
        .await;
        sizes.insert(scraped.series().await.len());
    }
    assert_eq!(
        sizes.len(),
        1,
        "one new label, with the first: {before} {sizes:?}"
    );
    let text = scraped.text().await;
    assert!(!text.contains("stranger"), "{text}");
    let unimplemented = "grpc_server_call_duration_seconds_count\
                         {grpc_method=\"other\",grpc_status=\"UNIMPLEMENTED\"}";
    assert!((scraped.value(unimplemented).await - 20.0).abs() < f64::EPSILON);

    // What works has no label of its own either, unless the server was told of it.
    let mut health = connect(server.local_address()).await;
    health.check(asking("")).await.unwrap();
    scraped.until(&begun("other"), 21.0).await;
}

#[tokio::test]
async fn every_instrument_has_its_name_its_type_and_its_description() {
    let scraped = Scraped::start();
    let (server, _gate) = start(&scraped, &limits::Config::default());
    let mut client = connect_other(server.local_address()).await;
    client.check(asking("")).await.unwrap();
    let text = scraped.text().await;
    for instrument in instruments::ALL {
        let name = instrument.prometheus;
        if name.starts_with("tls_") {
            continue; // The tests of TLS look for them.
        }
        let kind = match instrument.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        for line in [
            format!("# HELP {name} {}\n", instrument.description),
            format!("# TYPE {name} {kind}\n"),
        ] {
            assert!(text.contains(&line), "{line}must be in\n{text}");
        }
    }
    let build = "build_info{name=\"subject\",version=\"1.2.3\"} 1\n";
    assert!(text.contains(build), "{text}");
    let target = "target_info{service_instance_id=\"replica-1\",service_name=\"subject\",\
                  service_version=\"1.2.3\",telemetry_sdk_language=\"rust\",";
    assert!(text.contains(target), "{text}");
}

#[tokio::test]
async fn a_replica_that_wants_no_calls_any_more_says_so() {
    let scraped = Scraped::start();
    assert!(scraped.value("server_draining").await.abs() < f64::EPSILON);
    scraped.readiness.drain();
    scraped.until("server_draining", 1.0).await;
}

#[tokio::test]
async fn servers_of_one_process_are_measured_apart() {
    let (one, two) = (Scraped::start(), Scraped::start());
    let config = limits::Config::default();
    let (first, _gate) = start(&one, &config);
    let (_second, _other_gate) = start(&two, &config);
    let mut client = connect_other(first.local_address()).await;
    client.check(asking("")).await.unwrap();
    one.until(&begun("test.Subject/Check"), 1.0).await;
    assert!(two.value(&begun("test.Subject/Check")).await < 1.0);
    let text = telemetry("replica-2").text().unwrap();
    assert!(text.contains("service_instance_id=\"replica-2\""), "{text}");
}
