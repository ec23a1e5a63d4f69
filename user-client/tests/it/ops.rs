//! The ops listener of a command that lasts, as a probe, Prometheus and an operator see it.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::program::{command, end, interrupt, soon};
use crate::replica::{Fault, Replica};

/// The status code and the body, as soon as somebody listens.
async fn get(address: &str, path: &str) -> (u16, String) {
    let mut socket = soon("the listener", async {
        loop {
            if let Ok(socket) = TcpStream::connect(address).await {
                break socket;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    soon("the answer", socket.read_to_string(&mut response))
        .await
        .unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    (code, body.to_owned())
}

fn free() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_load_shows_its_channel_its_metrics_and_whether_a_replica_is_ready() {
    let replica = Replica::start("replica-1", Fault::None);
    let (target, ops) = (replica.address.to_string(), free());
    let args = [
        "load",
        "--duration",
        "forever",
        "--rate",
        "100",
        "--target",
        &target,
        "--ops-address",
        &ops,
    ];
    let child = command(&args, &[]).spawn().unwrap();
    assert_eq!(get(&ops, "/livez").await.0, 200);
    soon("a replica that is ready", async {
        while get(&ops, "/readyz").await != (200, "replicas: ok\nready\n".to_owned()) {}
    })
    .await;
    let shown = soon("a call", async {
        loop {
            let (code, body) = get(&ops, "/channel").await;
            assert_eq!(code, 200, "{body}");
            let json: Value = serde_json::from_str(&body).unwrap();
            if json["subchannels"][0]["callsSucceeded"].as_u64() > Some(0) {
                break json;
            }
        }
    })
    .await;
    assert_eq!(shown["state"], "READY");
    assert_eq!(shown["inUse"], true);
    assert_eq!(shown["subchannels"][0]["address"], target);
    assert_eq!(shown["subchannels"][0]["openConnections"], 1);
    let (_, text) = get(&ops, "/metrics").await;
    for part in [
        "grpc_client_call_duration_seconds_count{grpc_method=\"user.v1.UserService/ListUsers\"",
        "grpc_client_attempt_started_total{",
        "grpc_subchannel_open_connections{",
        "build_info{name=\"user-client\"",
    ] {
        assert!(text.contains(part), "{part} must be in\n{text}");
    }
    let (code, body) = get(&ops, "/nothing").await;
    assert_eq!(code, 404);
    assert!(body.contains("/channel\n"), "{body}");

    drop(replica);
    soon("the loss of the replica", async {
        while get(&ops, "/readyz").await.0 != 503 {}
    })
    .await;
    interrupt(&child).await;
    end(child).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_soon_over_takes_no_port() {
    let replica = Replica::start("replica-1", Fault::None);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let environment = [("USER_CLIENT__OPS__ADDRESS", address.as_str())];
    let target = replica.address.to_string();
    let list = command(&["list", "--target", &target], &environment);
    let ended = end({ list }.spawn().unwrap()).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let load = command(&["load", "--target", &target], &environment);
    let ended = end({ load }.spawn().unwrap()).await;
    assert_eq!(ended.code, 64, "{ended:?}");
    assert!(ended.stderr.contains("--ops-address"), "{ended:?}");
}
