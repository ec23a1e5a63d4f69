//! The metrics that a collector is sent, and what a collector that is not there costs.

use std::time::Duration;

use service_runtime::limits;
use service_runtime::telemetry::Config;
use service_runtime::telemetry::metrics::{Exporter, Protocol};
use tokio::net::TcpListener;

use crate::collector::Collector;
use crate::metrics::{begun, start};
use crate::scrape::Scraped;
use crate::subject::{asking, connect_other, soon};

/// Metrics that all go there, often.
fn to(endpoint: String) -> Config {
    let mut config = Config::default();
    config.metrics.exporter = Exporter::Otlp;
    config.metrics.otlp.endpoint = endpoint;
    config.metrics.interval = Duration::from_millis(10);
    config
}

fn lost(reason: &str) -> String {
    format!("telemetry_lost_total{{reason=\"{reason}\",signal=\"metrics\"}}")
}

const CALLS: &str = "grpc.server.call.started{grpc.method=\"test.Subject/Check\"}";

#[tokio::test]
async fn what_prometheus_reads_is_pushed_over_grpc_and_over_http() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let collector = match protocol {
            Protocol::Grpc => Collector::start().await,
            Protocol::HttpProtobuf => Collector::start_http().await,
        };
        let mut config = to(collector.endpoint());
        config.metrics.otlp.protocol = protocol;
        config.metrics.otlp.headers = "x-tenant=one".to_owned().into();
        config.resource_attributes =
            serde_json::from_str("[\"deployment.environment.name=test\"]").unwrap();
        let scraped = Scraped::pushing(&config);
        let (server, _gate) = start(&scraped, &limits::Config::default());
        let mut client = connect_other(server.local_address()).await;
        for _ in 0..3 {
            client.check(asking("")).await.unwrap();
        }
        let pushed = collector.pushed(CALLS, 3.0).await;
        let duration = "grpc.server.call.duration\
                        {grpc.method=\"test.Subject/Check\",grpc.status=\"OK\"}";
        collector.pushed(duration, 3.0).await;
        assert!(
            pushed.values.contains_key("server.connections.open"),
            "{pushed:#?}"
        );
        for (key, value) in [
            ("service.name", "subject"),
            ("service.version", "1.2.3"),
            ("service.instance.id", "replica-1"),
            ("telemetry.sdk.language", "rust"),
            ("deployment.environment.name", "test"),
        ] {
            assert_eq!(pushed.resource[key], value, "{key}");
        }
        assert_eq!(collector.headers()["x-tenant"], "one", "{protocol:?}");
        scraped.until(&begun("test.Subject/Check"), 3.0).await;
    }
}

#[tokio::test]
async fn the_last_push_is_made_when_the_process_ends_and_prometheus_still_reads() {
    let collector = Collector::start().await;
    let mut config = to(collector.endpoint());
    config.metrics.interval = Duration::from_hours(1);
    let scraped = Scraped::pushing(&config);
    let (server, _gate) = start(&scraped, &limits::Config::default());
    let mut client = connect_other(server.local_address()).await;
    client.check(asking("")).await.unwrap();
    assert!(collector.pushes().is_empty(), "the interval is not over");
    soon("the end of the flush", scraped.flush()).await;
    let pushes = collector.pushes();
    assert_eq!(pushes.len(), 1);
    assert!((pushes[0].values[CALLS] - 1.0).abs() < f64::EPSILON);
    client.check(asking("")).await.unwrap();
    scraped.until(&begun("test.Subject/Check"), 2.0).await;
}

#[tokio::test]
async fn a_collector_that_is_down_costs_no_call_and_is_counted() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let mut config = to(endpoint.clone());
        config.metrics.otlp.protocol = protocol;
        config.metrics.otlp.timeout = Duration::from_millis(50);
        let scraped = Scraped::pushing(&config);
        assert!(scraped.value(&lost("shutdown")).await.abs() < f64::EPSILON);
        let (server, _gate) = start(&scraped, &limits::Config::default());
        let mut client = connect_other(server.local_address()).await;
        client.check(asking("")).await.unwrap();
        soon("several lost pushes", async {
            while scraped.value(&lost("export_failed")).await < 3.0 {}
        })
        .await;
        client.check(asking("")).await.unwrap();
        soon("the end of the flush", scraped.flush()).await;
        assert!(
            scraped.value(&lost("shutdown")).await.abs() < f64::EPSILON,
            "it failed in time"
        );
    }
}

#[tokio::test]
async fn a_collector_that_never_answers_costs_no_call_and_no_more_than_the_bound_at_the_end() {
    // It accepts, reads nothing and answers nothing.
    let black_hole = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let endpoint = format!("http://{}", black_hole.local_addr().unwrap());
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let mut config = to(endpoint.clone());
        config.metrics.otlp.protocol = protocol;
        config.metrics.otlp.timeout = Duration::from_mins(1);
        config.flush_timeout = Duration::from_millis(100);
        let scraped = Scraped::pushing(&config);
        let (server, _gate) = start(&scraped, &limits::Config::default());
        let mut client = connect_other(server.local_address()).await;
        for _ in 0..50 {
            soon("an answer", client.check(asking(""))).await.unwrap();
        }
        scraped.until(&begun("test.Subject/Check"), 50.0).await;
        soon("the end of the flush", scraped.flush()).await;
        scraped.until(&lost("shutdown"), 1.0).await;
        // The thread that pushed is not left behind, or dropping the provider would wait for it.
        soon("the end", async { drop(scraped) }).await;
    }
}
