//! What Prometheus reads of a whole server, and that the documents name all of it.

use std::net::SocketAddr;

use service_runtime::telemetry::instruments::{self, Instrument};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use user_api::v1;

use crate::running::{Running, creation, settings, soon};

pub(crate) async fn scrape(ops: SocketAddr) -> String {
    let mut stream = TcpStream::connect(ops).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut response = String::new();
    soon("the answer", stream.read_to_string(&mut response))
        .await
        .unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    body.to_owned()
}

#[tokio::test]
async fn a_server_shows_its_calls_its_build_and_its_name() {
    let server = Running::in_memory().await;
    let mut client = server.client().await;
    let ada = || creation("Ada", "ada@example.com");
    client.create_user(ada()).await.unwrap();
    client.create_user(ada()).await.unwrap_err();
    let text = scrape(server.ops).await;
    for line in [
        "grpc_server_call_started_total{grpc_method=\"user.v1.UserService/CreateUser\"} 2\n",
        "grpc_server_call_duration_seconds_count\
         {grpc_method=\"user.v1.UserService/CreateUser\",grpc_status=\"OK\"} 1\n",
        "grpc_server_call_duration_seconds_count\
         {grpc_method=\"user.v1.UserService/CreateUser\",grpc_status=\"ALREADY_EXISTS\"} 1\n",
        "grpc_server_call_started_total{grpc_method=\"grpc.health.v1.Health/Check\"} 0\n",
        "grpc_server_call_started_total{grpc_method=\"other\"} 0\n",
        "limits_hits_total{limit=\"concurrent_calls\"} 0\n",
        "server_connections_open 1\n",
        "build_info{name=\"user-server\",version=\"0.1.0\"} 1\n",
        "service_instance_id=\"replica-1\"",
    ] {
        assert!(text.contains(line), "{line} must be in\n{text}");
    }
    server.stop().await;
}

/// What a series says in the text; `None` as long as it is not there.
fn said(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| {
        let value = line.strip_prefix(series)?;
        value.strip_prefix(' ')?.parse().ok()
    })
}

/// What a series says now, which has to be there.
pub(crate) async fn value(ops: SocketAddr, series: &str) -> f64 {
    let text = scrape(ops).await;
    said(&text, series).unwrap_or_else(|| panic!("{series} must be in\n{text}"))
}

/// Waits until a series is there and says at least this.
pub(crate) async fn at_least(ops: SocketAddr, series: &str, least: f64) {
    soon(series, async {
        while said(&scrape(ops).await, series).is_none_or(|it| it < least) {}
    })
    .await;
}

#[tokio::test]
async fn every_instrument_has_its_name_its_type_and_its_description() {
    let server = Running::in_memory().await;
    at_least(server.ops, "feed_lag_seconds", 0.0).await;
    let text = scrape(server.ops).await;
    for instrument in user_server::instruments::ALL {
        let name = instrument.prometheus;
        let kind = format!("{:?}", instrument.kind).to_lowercase();
        for line in [
            format!("# HELP {name} {}\n", instrument.description),
            format!("# TYPE {name} {kind}\n"),
        ] {
            assert!(text.contains(&line), "{line}must be in\n{text}");
        }
        for label in instrument.labels {
            let has_label = |line: &&str| line.starts_with(name) && line.contains(label);
            assert!(
                text.lines().any(|line| has_label(&line)),
                "{name} has {label}"
            );
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn what_the_cache_answers_and_how_far_the_feed_is_are_seen() {
    let server = Running::in_memory().await;
    let mut client = server.client().await;
    let ada = creation("Ada", "ada@example.com");
    let created = client.create_user(ada).await.unwrap().into_inner();
    at_least(server.ops, "feed_position", 1.0).await;
    let id = created.user.unwrap().id;
    soon("an answer of the cache", async {
        let hits = "cache_lookups_total{result=\"hit\"}";
        while value(server.ops, hits).await < 1.0 {
            let id = id.clone();
            client.get_user(v1::GetUserRequest { id }).await.unwrap();
        }
    })
    .await;
    let (ops, is) = (server.ops, |it: f64, expected: f64| {
        (it - expected).abs() < f64::EPSILON
    });
    at_least(ops, "cache_entries", 1.0).await;
    at_least(ops, "cache_lookups_total{result=\"miss\"}", 1.0).await;
    assert!(is(value(ops, "cache_evictions_total").await, 0.0));
    let waits = "db_client_connection_wait_time_seconds_count";
    for pool in ["readers", "writer"] {
        let series = format!("{waits}{{db_client_connection_pool_name=\"{pool}\"}}");
        at_least(ops, &series, 1.0).await;
    }
    assert!(is(value(ops, "server_draining").await, 0.0));
    let none = "feed_interruptions_total{reason=\"unavailable\"}";
    assert!(is(value(ops, none).await, 0.0));
    server.stop().await;
}

#[tokio::test]
async fn what_has_no_room_in_the_cache_is_counted() {
    let mut settings = settings("sqlite::memory:");
    settings.cache.max_entries = 1;
    let server = Running::start(settings).await;
    let mut client = server.client().await;
    let mut ids = Vec::new();
    for number in 0..8 {
        let new = creation("Ada", &format!("{number}@example.com"));
        let created = client.create_user(new).await.unwrap().into_inner();
        ids.push(created.user.unwrap().id);
    }
    soon("an eviction", async {
        while value(server.ops, "cache_evictions_total").await < 1.0 {
            for id in ids.clone() {
                client.get_user(v1::GetUserRequest { id }).await.unwrap();
            }
        }
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn servers_of_one_process_do_not_add_up() {
    let mut settings = settings("sqlite::memory:");
    "replica-2".clone_into(&mut settings.instance.name);
    let (one, two) = (Running::in_memory().await, Running::start(settings).await);
    let mut client = one.client().await;
    let ada = creation("Ada", "ada@example.com");
    client.create_user(ada).await.unwrap();
    let text = scrape(two.ops).await;
    let none = "grpc_server_call_started_total{grpc_method=\"user.v1.UserService/CreateUser\"} 0\n";
    assert!(text.contains(none), "{text}");
    assert!(text.contains("service_instance_id=\"replica-2\""), "{text}");
    one.stop().await;
    two.stop().await;
}

/// One row of the document's table.
fn row(instrument: &Instrument) -> String {
    let labels: Vec<String> = instrument
        .labels
        .iter()
        .map(|label| format!("`{label}`"))
        .collect();
    format!(
        "| `{}` | {} | {} | {} |\n",
        instrument.prometheus,
        format!("{:?}", instrument.kind).to_lowercase(),
        labels.join(", "),
        instrument.description
    )
}

#[test]
fn the_document_names_every_metric_and_no_other() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let document = std::fs::read_to_string(path).unwrap();
    let all = instruments::ALL
        .iter()
        .chain(&user_server::instruments::ALL);
    let table: String = all.map(row).collect();
    assert!(
        document.contains(&format!("|---|---|---|---|\n{table}\n")),
        "docs/metrics.md must hold these rows:\n{table}"
    );
}
