//! What Prometheus reads of a whole server, and that the documents name all of it.

use std::net::SocketAddr;

use service_runtime::telemetry::instruments::{self, Instrument};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

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
    let table: String = instruments::ALL.iter().map(row).collect();
    assert!(
        document.contains(&format!("|---|---|---|---|\n{table}\n")),
        "docs/metrics.md must hold these rows:\n{table}"
    );
}
