//! What a hostile HTTP/2 client can do, frame by frame: it costs a server a bounded part of itself,
//! and everybody else is served meanwhile.

use std::time::Duration;

use service_runtime::auth::Guard;
use service_runtime::limits;
use service_runtime::server::Config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, End, HEADERS, PING, Peer,
    RST_STREAM, SETTINGS, frame, request,
};
use crate::subject::{
    OTHER, asking, connect, connect_other, on_a_free_port, soon, start, start_other,
};

/// How much a flood sends at the most; no server reads all of it.
const FLOOD: usize = 256 << 20;

/// By how much the process may grow meanwhile, in bytes. Alone the test grows by 150 KB; the tests that
/// panic on purpose beside it read 60 MB of debug symbols.
const GROWTH: usize = FLOOD / 2;

/// This process's memory, in bytes, where it can be told.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|it| it.parse().ok());
    pages.unwrap_or(0_usize) * 4096
}

async fn is_served(server: &service_runtime::server::Running) {
    let address = server.local_address();
    soon("a normal client's connection and calls", async {
        let mut client = connect(address).await;
        for _ in 0..20 {
            client
                .check(asking(""))
                .await
                .expect("a normal client is served");
        }
    })
    .await;
}

/// Sends the same bytes over and over without reading, until the server reads no further or closes;
/// normal clients are served meanwhile.
async fn flood(bytes: Vec<u8>) {
    let (server, _gate) = start(on_a_free_port());
    is_served(&server).await;
    let before = resident();
    let mut peer = Peer::connect(server.local_address()).await;
    let sender = tokio::spawn(async move {
        for _ in 0..FLOOD / bytes.len() {
            // A second without a byte: the server reads nothing more, as it should.
            let sent = tokio::time::timeout(Duration::from_secs(1), peer.send(&bytes)).await;
            if !matches!(sent, Ok(true)) {
                return (peer, true);
            }
        }
        (peer, false)
    });
    while !sender.is_finished() {
        is_served(&server).await;
    }
    let (peer, stopped) = soon("the end of the flood", sender).await.unwrap();
    let grown = resident().saturating_sub(before);
    assert!(stopped, "the server must not take all that it is sent");
    assert!(grown < GROWTH, "the server grew by {grown} bytes");
    drop(peer);
    is_served(&server).await;
}

#[tokio::test]
async fn a_ping_flood_is_read_no_faster_than_its_answers() {
    flood(frame(PING, 0, 0, &[7; 8]).repeat(4096)).await;
}

#[tokio::test]
async fn a_settings_flood_is_read_no_faster_than_its_answers() {
    flood(frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]).repeat(4096)).await;
}

#[tokio::test]
async fn headers_without_end_end_the_connection() {
    let (server, _gate) = start(on_a_free_port());
    let mut peer = Peer::connect(server.local_address()).await;
    peer.send(&frame(
        HEADERS,
        0,
        1,
        &request("/grpc.health.v1.Health/Check"),
    ))
    .await;
    // A literal header of 4 KiB in each, which is never indexed.
    let mut header = vec![0x00, 1, b'x', 0x7f, 0x81, 0x1f];
    header.resize(6 + 4096, b'y');
    let continuation = frame(CONTINUATION, 0, 1, &header);
    let mut sent = 0;
    while sent < FLOOD && peer.send(&continuation).await {
        if (sent / continuation.len()).is_multiple_of(64) {
            is_served(&server).await;
        }
        sent += continuation.len();
    }
    assert!(sent < FLOOD, "the server must not take all that it is sent");
    soon("the connection's end", peer.end()).await;
    is_served(&server).await;
}

#[tokio::test]
async fn rapid_resets_end_the_connection_calmly() {
    let (server, gate) = start(on_a_free_port());
    let mut peer = Peer::connect(server.local_address()).await;
    let headers = request("/grpc.health.v1.Health/Check");
    let mut ended = false;
    for burst in 0..100 {
        let mut bytes = Vec::new();
        for stream in 0..200 {
            let id = 2 * (burst * 200 + stream) + 1;
            bytes.extend(frame(HEADERS, END_HEADERS, id, &headers));
            bytes.extend(frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
        }
        if !peer.send(&bytes).await {
            ended = true;
            break;
        }
        is_served(&server).await;
    }
    let end = soon("the connection's end", peer.end()).await;
    assert!(ended || end == End::GoAway(ENHANCE_YOUR_CALM), "{end:?}");
    drop(gate);
    is_served(&server).await;
}

#[tokio::test]
async fn a_reader_who_takes_nothing_loses_its_calls() {
    let most = 16;
    let server = Config {
        max_concurrent_streams: most,
        write_timeout: Duration::from_millis(300),
        ..on_a_free_port()
    };
    let limits = limits::Config::default().start(&[]);
    let (server, gate) = start_other(server, Guard::open(), limits.clone());
    // A window of nothing: no message can be sent.
    let window = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let mut peer = Peer::greet(server.local_address(), &window).await;
    // Unary calls, and streams that would go on.
    for (method, first) in [("Check", 0), ("Watch", most / 2)] {
        let headers = request(&format!("{OTHER}{method}"));
        for stream in first..first + most / 2 {
            let id = 2 * stream + 1;
            let mut bytes = frame(HEADERS, END_HEADERS, id, &headers);
            bytes.extend(frame(DATA, END_STREAM, id, &[0; 5]));
            assert!(peer.send(&bytes).await, "so many streams are allowed");
        }
    }
    let mut reset = 0;
    while reset < most {
        match soon("a reset", peer.next()).await {
            Some((RST_STREAM, _)) => reset += 1,
            Some((DATA, _)) => panic!("there is no window for it"),
            Some(_) => {}
            None => panic!("only the calls are given up"),
        }
    }
    soon("the end of the calls", async {
        while limits.running() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;

    // Whoever waits for the server, and not the other way round, may wait.
    let mut client = connect_other(server.local_address()).await;
    let mut stream = client.watch(asking("slow")).await.unwrap().into_inner();
    stream.message().await.unwrap().expect("the first message");
    // Nothing is to happen in this time, which is longer than write_timeout.
    tokio::time::sleep(Duration::from_millis(700)).await;
    gate.open();
    let second = soon("the second message", stream.message()).await;
    second
        .unwrap()
        .expect("a slow handler is not a slow reader");
}

#[tokio::test]
async fn who_speaks_too_slowly_is_hung_up_on() {
    let (server, _gate) = start(Config {
        handshake_timeout: Duration::from_millis(100),
        keepalive_interval: Some(Duration::from_millis(100)),
        keepalive_timeout: Duration::from_millis(100),
        ..on_a_free_port()
    });
    // Nothing at all, and half of the first line.
    for beginning in [&b""[..], b"PRI * HT"] {
        let mut stream = TcpStream::connect(server.local_address()).await.unwrap();
        stream.write_all(beginning).await.unwrap();
        let mut heard = Vec::new();
        // An error is an end too.
        let _ = soon(
            "the end of a mute connection",
            stream.read_to_end(&mut heard),
        )
        .await;
    }
    // A request that is never finished, from somebody who answers no ping.
    let mut peer = Peer::connect(server.local_address()).await;
    peer.send(&frame(
        HEADERS,
        0,
        1,
        &request("/grpc.health.v1.Health/Check"),
    ))
    .await;
    soon("the end of a slow connection", peer.end()).await;
    is_served(&server).await;
}

#[tokio::test]
async fn idle_connections_take_no_place_for_ever() {
    let most = 20;
    let (server, _gate) = start(Config {
        max_connections: most,
        keepalive_interval: Some(Duration::from_millis(200)),
        keepalive_timeout: Duration::from_millis(200),
        ..on_a_free_port()
    });
    let mut idle = Vec::new();
    for _ in 0..most {
        idle.push(Peer::connect(server.local_address()).await);
    }
    // All places are taken, by peers that answer no ping; further clients wait for a moment.
    is_served(&server).await;
    for mut peer in idle {
        soon("the end of an idle connection", peer.end()).await;
    }
}

#[tokio::test]
async fn frames_that_make_no_sense_harm_one_connection() {
    let (server, _gate) = start(on_a_free_port());
    for bytes in [
        frame(SETTINGS, ACK, 0, &[1]),
        frame(HEADERS, END_HEADERS, 2, &request("/x")),
        frame(HEADERS, END_HEADERS, 1, &[0xff; 64]),
        frame(DATA, 0, 9, b"x"),
        frame(CONTINUATION, 0, 1, b""),
        vec![0xff; 64],
    ] {
        let mut peer = Peer::connect(server.local_address()).await;
        peer.send(&bytes).await;
        soon("the end of a broken connection", peer.end()).await;
        is_served(&server).await;
    }
}
