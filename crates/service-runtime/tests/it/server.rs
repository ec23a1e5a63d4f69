//! Connections: how they drain, age, and end.

use std::net::SocketAddr;
use std::time::Duration;

use service_runtime::server::{Config, Outcome};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tonic::Code;

use crate::subject::{SOON, asking, connect, on_a_free_port, soon, start};

/// One HTTP/2 connection without a channel around it, so that its end can be seen.
async fn raw_connection(
    address: SocketAddr,
) -> (
    h2::client::SendRequest<bytes::Bytes>,
    tokio::task::JoinHandle<Result<(), h2::Error>>,
) {
    let socket = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(socket).await.unwrap();
    (sender, tokio::spawn(connection))
}

#[tokio::test]
async fn a_drain_lets_calls_in_flight_finish_and_refuses_new_connections() {
    let (mut server, gate) = start(on_a_free_port());
    let address = server.local_address();
    let mut client = connect(address).await;
    let mut streaming = client.clone();
    let unary = tokio::spawn(async move { client.check(asking("slow")).await });
    let mut stream = streaming.watch(asking("slow")).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    let stream = tokio::spawn(async move { stream.message().await });
    gate.reached_by(2).await;

    let drain = tokio::spawn(async move { server.drain(SOON).await });
    soon("the listener's end", async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!drain.is_finished(), "calls in flight must be waited for");
    gate.open();

    unary.await.unwrap().expect("the unary call must finish");
    let last = stream.await.unwrap().expect("the stream must finish");
    assert!(last.is_some());
    assert_eq!(soon("the drain", drain).await.unwrap(), Outcome::Drained);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_cuts_off_what_is_left_and_says_how_much() {
    // Several rounds, because the count once depended on which of two threads was faster.
    for _ in 0..20 {
        let (mut server, gate) = start(on_a_free_port());
        let mut client = connect(server.local_address()).await;
        let call = tokio::spawn(async move { client.check(asking("slow")).await });
        gate.reached_by(1).await;

        let outcome = soon("the drain", server.drain(Duration::from_millis(5))).await;
        assert_eq!(
            outcome,
            Outcome::DeadlineExceeded {
                calls: 1,
                connections: 1
            }
        );
        call.await.unwrap().expect_err("the call must be cut off");
    }
}

#[tokio::test]
async fn an_abort_ends_a_drain_that_is_under_way() {
    let (mut server, gate) = start(on_a_free_port());
    let mut client = connect(server.local_address()).await;
    let call = tokio::spawn(async move { client.check(asking("slow")).await });
    gate.reached_by(1).await;

    // A drain that is given up half-way goes on, and can be ended.
    let given_up = tokio::time::timeout(Duration::from_millis(1), server.drain(SOON)).await;
    assert!(given_up.is_err(), "the call must hold the drain");
    assert_eq!(
        soon("the abort", server.abort()).await,
        Outcome::Aborted {
            calls: 1,
            connections: 1
        }
    );
    call.await.unwrap().expect_err("the call must be cut off");
}

#[tokio::test]
async fn a_dropped_server_closes_its_connections() {
    let (server, _gate) = start(on_a_free_port());
    let (_sender, connection) = raw_connection(server.local_address()).await;
    drop(server);
    let _ = soon("the connection's end", connection).await.unwrap();
}

#[tokio::test]
async fn a_peer_that_never_speaks_does_not_hold_the_drain() {
    let (mut server, _gate) = start(on_a_free_port());
    let mut socket = TcpStream::connect(server.local_address()).await.unwrap();
    // Another connection is served, so that the first one has been accepted.
    connect(server.local_address())
        .await
        .check(asking(""))
        .await
        .unwrap();
    let outcome = soon("the drain", server.drain(Duration::from_hours(1))).await;
    assert_eq!(outcome, Outcome::Drained);
    let mut rest = Vec::new();
    let _ = soon("the socket's end", socket.read_to_end(&mut rest)).await;
}

#[tokio::test]
async fn an_old_connection_gets_a_goaway_and_its_calls_finish() {
    let (server, gate) = start(Config {
        max_connection_age: Some(Duration::from_millis(50)),
        max_connection_age_grace: None,
        ..on_a_free_port()
    });
    let (mut sender, connection) = raw_connection(server.local_address()).await;
    let request = http::Request::post("http://x/grpc.health.v1.Health/Check")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (response, mut body) = sender.send_request(request, false).unwrap();
    // A message of 6 bytes: field 1, "slow".
    body.send_data(bytes::Bytes::from_static(b"\0\0\0\0\x06\x0a\x04slow"), true)
        .unwrap();
    gate.reached_by(1).await;

    // h2 refuses new streams with GOAWAY's own error once it came.
    let refusal = soon("GOAWAY", async {
        loop {
            match sender.clone().ready().await {
                Err(error) => break error,
                Ok(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    assert!(refusal.is_go_away(), "{refusal}");
    gate.open();
    let mut response = soon("the response", response).await.unwrap();
    while let Some(data) = response.body_mut().data().await {
        data.unwrap();
    }
    let trailers = response.body_mut().trailers().await.unwrap().unwrap();
    assert_eq!(
        trailers["grpc-status"], "0",
        "the call must finish after GOAWAY"
    );
    drop(sender);
    soon("the connection's end", connection)
        .await
        .unwrap()
        .expect("the connection must end in order");
}

#[tokio::test]
async fn the_grace_bounds_the_calls_of_an_old_connection() {
    let (server, gate) = start(Config {
        max_connection_age: Some(Duration::from_millis(50)),
        max_connection_age_grace: Some(Duration::from_millis(50)),
        ..on_a_free_port()
    });
    let mut client = connect(server.local_address()).await;
    let call = tokio::spawn(async move { client.check(asking("slow")).await });
    gate.reached_by(1).await;
    soon("the cut", call)
        .await
        .unwrap()
        .expect_err("the call must be cut off after the grace");
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_one_to_leave() {
    let (server, _gate) = start(Config {
        max_connections: 1,
        ..on_a_free_port()
    });
    let address = server.local_address();
    let mut first = connect(address).await;
    first.check(asking("")).await.unwrap();
    let second = tokio::spawn(async move { connect(address).await.check(asking("")).await });
    // The first one is still served while the second one waits.
    first.check(asking("")).await.unwrap();
    assert!(!second.is_finished(), "the limit must hold");
    drop(first);
    soon("the second connection's turn", second)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let (server, _gate) = start(on_a_free_port());
    let address = server.local_address();
    let error = Config {
        address,
        ..Config::default()
    }
    .bind()
    .expect_err("two servers must not share a port");
    assert_eq!(error.to_string(), format!("cannot listen on {address}"));
}

#[tokio::test]
async fn an_unknown_method_is_unimplemented() {
    let (server, _gate) = start(on_a_free_port());
    let channel =
        tonic::transport::Endpoint::from_shared(format!("http://{}", server.local_address()))
            .unwrap()
            .connect()
            .await
            .unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/no.Such/Method");
    let codec =
        tonic_prost::ProstCodec::<_, service_runtime::health::pb::HealthListResponse>::default();
    let status = grpc
        .unary(tonic::Request::new(asking("")), path, codec)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(status.metadata().get("x-served-by").unwrap(), "replica-1");
}

#[tokio::test]
async fn a_connection_without_calls_is_asked_to_go_and_one_with_a_call_is_not() {
    let config = Config {
        max_connection_idle: Some(Duration::from_millis(50)),
        ..on_a_free_port()
    };
    let (server, gate) = start(config);
    let address = server.local_address();
    let mut client = connect(address).await;
    let call = tokio::spawn(async move { client.check(asking("slow")).await });
    gate.reached_by(1).await;

    // It begins after the call's, and ends by its idleness while the call is still there.
    let (_sender, idle) = raw_connection(address).await;
    soon("the end of the idle connection", idle)
        .await
        .unwrap()
        .expect("it is told by a GOAWAY without an error");
    assert!(!call.is_finished(), "a call keeps its connection");
    gate.open();
    call.await.unwrap().expect("the call must finish");
}
