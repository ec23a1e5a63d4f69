//! The program's own telemetry, as a collector sees it.

use crate::collector::{CLIENT, Collector, INTERNAL};
use crate::program::{command, end};
use crate::replica::{Fault, Replica};

const ENDPOINT: &str = "USER_CLIENT__TELEMETRY__TRACES__OTLP__ENDPOINT";
const EXPORTER: (&str, &str) = ("USER_CLIENT__TELEMETRY__TRACES__EXPORTER", "otlp");

#[tokio::test(flavor = "multi_thread")]
async fn a_command_sends_the_spans_of_its_calls_before_it_ends() {
    let (replica, collector) = (Replica::start("a", Fault::None), Collector::start().await);
    let endpoint = collector.endpoint();
    let attributes = (
        "USER_CLIENT__TELEMETRY__RESOURCE_ATTRIBUTES",
        "deployment.environment.name=test",
    );
    let environment = [EXPORTER, (ENDPOINT, &endpoint), attributes];
    let arguments = ["get", "nobody", "--target", &replica.target()];
    let ended = end(command(&arguments, &environment).spawn().unwrap()).await;
    assert_eq!(ended.code, 66, "{ended:?}");

    let spans = collector.spans();
    let of_kind = |kind| spans.iter().find(|span| span.kind == kind);
    let (call, attempt) = (of_kind(INTERNAL).unwrap(), of_kind(CLIENT).unwrap());
    assert_eq!(spans.len(), 2, "{spans:?}");
    assert_eq!((&attempt.trace, &attempt.parent), (&call.trace, &call.id));
    for span in [call, attempt] {
        assert_eq!(span.name, "user.v1.UserService/GetUser");
        assert_eq!(span.attribute("rpc.response.status_code"), "NOT_FOUND");
        assert_eq!(span.resource["service.name"], "user-client");
        assert_eq!(span.resource["deployment.environment.name"], "test");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_down_changes_no_result() {
    let replica = Replica::start("a", Fault::None);
    replica.store.add("Ada");
    let nobody = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let short = ("USER_CLIENT__TELEMETRY__FLUSH_TIMEOUT", "100ms");
    let environment = [EXPORTER, (ENDPOINT, &endpoint), short];
    let arguments = ["get", "id-0", "--target", &replica.target()];
    let ended = end(command(&arguments, &environment).spawn().unwrap()).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("Ada"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_traces_that_cannot_be_used_are_refused() {
    let environment = [
        EXPORTER,
        (ENDPOINT, "collector:4317"),
        ("USER_CLIENT__TELEMETRY__TRACES__RATIO", "2.0"),
        ("USER_CLIENT__TELEMETRY__TRACES__OTLP__HEADERS", "s3cret"),
        ("USER_CLIENT__TELEMETRY__TRACES__BATCH__SIZE", "0"),
    ];
    let ended = end(command(&["list"], &environment).spawn().unwrap()).await;
    assert_eq!(ended.code, 64, "{ended:?}");
    for key in ["otlp.endpoint", "ratio", "otlp.headers", "batch.size"] {
        let key = format!("telemetry.traces.{key}");
        assert!(ended.stderr.contains(&key), "{key} is missing: {ended:?}");
    }
    assert!(!ended.stderr.contains("s3cret"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_sends_its_log_records_before_it_ends() {
    let (replica, collector) = (Replica::start("a", Fault::None), Collector::start().await);
    let endpoint = collector.endpoint();
    let environment = [
        ("USER_CLIENT__TELEMETRY__LOGS__EXPORTER", "otlp"),
        (
            "USER_CLIENT__TELEMETRY__LOGS__OTLP__ENDPOINT",
            endpoint.as_str(),
        ),
        ("USER_CLIENT__LOG__FILTER", "grpc_channel=debug"),
    ];
    let arguments = ["get", "nobody", "--target", &replica.target()];
    let ended = end(command(&arguments, &environment).spawn().unwrap()).await;
    assert_eq!(ended.code, 66, "{ended:?}");
    let logs = collector.logs();
    assert!(
        !logs.is_empty(),
        "what is on standard error is sent: {ended:?}"
    );
    for record in logs {
        assert!(record.target.starts_with("grpc_channel"), "{record:?}");
        assert_eq!(record.resource["service.name"], "user-client");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_pushes_what_its_channel_measured_before_it_ends() {
    let (replica, collector) = (Replica::start("a", Fault::None), Collector::start().await);
    let endpoint = collector.endpoint();
    let environment = [
        ("USER_CLIENT__TELEMETRY__METRICS__EXPORTER", "otlp"),
        (
            "USER_CLIENT__TELEMETRY__METRICS__OTLP__ENDPOINT",
            endpoint.as_str(),
        ),
    ];
    let arguments = ["get", "nobody", "--target", &replica.target()];
    let ended = end(command(&arguments, &environment).spawn().unwrap()).await;
    assert_eq!(ended.code, 66, "{ended:?}");
    let pushes = collector.pushes();
    let [push] = &pushes[..] else {
        panic!("one push, at the end: {pushes:#?}");
    };
    assert_eq!(push.resource["service.name"], "user-client");
    let method = "grpc.method=\"user.v1.UserService/GetUser\"";
    for (name, label) in [
        ("grpc.client.call.duration", "grpc.status=\"NOT_FOUND\""),
        ("grpc.client.attempt.started", "grpc.target="),
    ] {
        let found = push.values.iter().find(|(series, _)| {
            series.starts_with(name) && series.contains(method) && series.contains(label)
        });
        let count = found.map(|(_, count)| *count);
        assert_eq!(count, Some(1.0), "{name} {label}: {push:#?}");
    }
}
