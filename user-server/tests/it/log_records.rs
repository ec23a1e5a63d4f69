//! The log records that a collector is sent by a real process, and what a collector that is not there
//! costs it.

#![cfg(unix)]

use std::collections::BTreeSet;

use tokio::net::TcpListener;
use tonic::Request;
use user_api::v1;

use crate::collector::Collector;
use crate::metrics::scrape;
use crate::otelcol::{self, Otelcol};
use crate::process::Process;
use crate::running::soon;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const PROTOCOLS: [&str; 2] = ["grpc", "http/protobuf"];

/// A process whose log records go there, soon.
async fn start(endpoint: &str, protocol: &str, more: &[&str]) -> Process {
    let mut settings = vec![
        "telemetry.logs.exporter=otlp".to_owned(),
        format!("telemetry.logs.otlp.endpoint={endpoint}"),
        format!("telemetry.logs.otlp.protocol={protocol}"),
        "telemetry.logs.batch.delay=10ms".to_owned(),
        "log.filter=info,access=debug".to_owned(),
    ];
    settings.extend(more.iter().map(|it| (*it).to_owned()));
    let settings: Vec<&str> = settings.iter().flat_map(|it| ["--set", it]).collect();
    Process::start(&settings).await
}

async fn collector(protocol: &str) -> Collector {
    if protocol == "grpc" {
        Collector::start().await
    } else {
        Collector::start_http().await
    }
}

/// A call in a trace that is not sampled.
async fn call(process: &Process) {
    let mut request = Request::new(v1::ListUsersRequest::default());
    let parent = format!("00-{TRACE}-{PARENT}-00");
    let metadata = request.metadata_mut();
    metadata.insert("traceparent", parent.parse().unwrap());
    let mut client = process.client().await;
    soon("an answer", client.list_users(request)).await.unwrap();
}

async fn lost(process: &Process, reason: &str) -> u64 {
    let text = scrape(process.ops).await;
    let series = format!("telemetry_lost_total{{reason=\"{reason}\",signal=\"logs\"}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&series));
    value.expect("it is there from the start").parse().unwrap()
}

async fn ends(process: Process) -> Vec<serde_json::Value> {
    let mut process = process;
    process.signal("-TERM").await;
    let rest = process.rest_of_log().await;
    assert_eq!(process.exit_code().await, Some(0), "it is a clean end");
    rest
}

#[tokio::test]
async fn what_is_written_is_sent_as_well_with_its_trace_and_to_the_last_line() {
    for protocol in PROTOCOLS {
        let collector = collector(protocol).await;
        let attributes = "telemetry.resource_attributes=deployment.environment.name=test";
        let process = start(&collector.endpoint(), protocol, &[attributes]).await;
        let serving = collector.logged("serving user.v1.UserService").await;
        assert_eq!(
            (&*serving.trace, &*serving.level),
            ("", "INFO"),
            "{serving:?}"
        );
        call(&process).await;
        let line = collector.logged("call finished").await;
        assert_eq!(
            (&*line.target, &*line.level),
            ("access", "DEBUG"),
            "{line:?}"
        );
        assert_eq!((&*line.trace, &*line.span), (TRACE, PARENT), "{line:?}");
        for (key, value) in [("method", "user.v1.UserService/ListUsers"), ("code", "OK")] {
            assert_eq!(line.attributes[key], value, "{line:?}");
        }
        for (key, value) in [
            ("service.name", "user-server"),
            ("deployment.environment.name", "test"),
            ("telemetry.sdk.language", "rust"),
        ] {
            assert_eq!(line.resource[key], value, "{line:?}");
        }
        ends(process).await;
        let last = "stopped; no call was cut off";
        let logs = collector.logs();
        assert!(
            logs.iter().any(|it| it.message == last),
            "{protocol}: {logs:#?}"
        );
    }
}

#[tokio::test]
async fn a_real_collector_takes_them_and_the_metrics_by_either_protocol() {
    let Some(program) = otelcol::program().await else {
        return;
    };
    for protocol in PROTOCOLS {
        let mut collector = Otelcol::to_files(program).await;
        let address = match protocol {
            "grpc" => collector.grpc,
            _ => collector.http,
        };
        let endpoint = format!("http://{address}");
        let metrics = [
            "telemetry.metrics.exporter=otlp",
            &format!("telemetry.metrics.otlp.endpoint={endpoint}"),
            &format!("telemetry.metrics.otlp.protocol={protocol}"),
        ];
        let process = start(&endpoint, protocol, &metrics).await;
        call(&process).await;
        ends(process).await;
        let (logs, pushes) = collector.logs_and_metrics().await;
        let line = logs.iter().find(|it| it.message == "call finished");
        let line = line.unwrap_or_else(|| panic!("{protocol}: {logs:#?}"));
        assert_eq!((&*line.trace, &*line.span), (TRACE, PARENT), "{line:?}");
        assert_eq!(line.resource["service.name"], "user-server", "{line:?}");
        let calls = "grpc.server.call.started{grpc.method=\"user.v1.UserService/ListUsers\"}";
        let last = pushes.last().unwrap();
        assert!(last.has(calls, 1.0), "{protocol}: {last:#?}");
        assert_eq!(last.resource, line.resource, "one process is one resource");
    }
}

#[tokio::test]
async fn what_sends_them_makes_no_records_of_its_own() {
    for protocol in PROTOCOLS {
        let collector = collector(protocol).await;
        // No more than fits into the pipe that nobody reads meanwhile.
        let filter = "log.filter=info,access=debug,h2=debug,hyper_util=debug,tonic=debug";
        let process = start(&collector.endpoint(), protocol, &[filter]).await;
        collector.logged("serving user.v1.UserService").await;
        call(&process).await;
        collector.logged("call finished").await;
        let written: BTreeSet<String> = ends(process)
            .await
            .iter()
            .map(|line| line["target"].as_str().unwrap().to_owned())
            .collect();
        let sent: BTreeSet<String> = collector.logs().into_iter().map(|it| it.target).collect();
        for library in ["h2", "hyper_util", "tonic"] {
            let is_of = |target: &&String| target.split("::").next() == Some(library);
            assert_eq!(sent.iter().find(is_of), None, "{protocol}: {sent:#?}");
        }
        assert!(
            written.iter().any(|target| target.starts_with("h2::")),
            "they are written, or this would show nothing: {written:#?}"
        );
    }
}

#[tokio::test]
async fn a_collector_that_swallows_everything_costs_a_queue_and_the_loss_is_counted() {
    // It accepts, reads nothing and answers nothing.
    let black_hole = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let endpoint = format!("http://{}", black_hole.local_addr().unwrap());
    for protocol in PROTOCOLS {
        let small = [
            "telemetry.logs.batch.queue_size=8",
            "telemetry.logs.batch.size=4",
            "telemetry.logs.otlp.timeout=1m",
            "telemetry.flush_timeout=100ms",
        ];
        let mut process = start(&endpoint, protocol, &small).await;
        for _ in 0..50 {
            call(&process).await;
        }
        let told = process.log_line("telemetry was lost").await;
        assert_eq!(
            (&told["signal"], &told["reason"]),
            (&"logs".into(), &"queue_full".into())
        );
        soon("the loss", async {
            while lost(&process, "queue_full").await < 42 {}
        })
        .await;
        ends(process).await;
    }
}

#[tokio::test]
async fn what_a_collector_that_is_down_did_not_take_is_counted() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let soon_given_up = "telemetry.logs.otlp.timeout=50ms";
    let process = start(&endpoint, "grpc", &[soon_given_up]).await;
    call(&process).await;
    soon("the loss", async {
        while lost(&process, "export_failed").await < 2 {}
    })
    .await;
    ends(process).await;
}
