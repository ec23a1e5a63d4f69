//! 100,000 connections against a server that has room for a few: it keeps to `server.max_connections`,
//! serves who is connected, and grows by nothing that counts. In a process of its own, because both sides
//! need their descriptors for themselves.

#![cfg(target_os = "linux")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails may say so at once"
)]

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use user_api::v1;
use user_api::v1::user_service_client::UserServiceClient;

/// How many connections are tried.
const TRIED: usize = 100_000;

/// How many the server allows.
const MOST: usize = 200;

/// What the server has open beside connections: the database, the other listener, the runtime.
const OTHERS: usize = 100;

/// How much its memory may grow, in KiB: what a hundred calls need, and a tenth of what 100,000
/// connections at a few KiB each would take.
const GROWTH: usize = 48 << 10;

/// How long one attempt may take. Those that find the backlog full have no answer at all.
const PATIENCE: Duration = Duration::from_millis(150);

/// The bound of every other wait.
const SOON: Duration = Duration::from_secs(20);

/// The server, in a process of its own.
struct Server {
    child: Child,
    address: SocketAddr,
}

// === impl Server ===

impl Server {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_user-server"))
            .env_clear()
            .args(["--address", "127.0.0.1:0", "--ops-address", "127.0.0.1:0"])
            .args(["--store-url", "sqlite::memory:", "--exit-with-stdin"])
            .args(["--set", "log.format=json", "--set", "drain.notice=0s"])
            .args(["--set", &format!("server.max_connections={MOST}")])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line).ok()?;
            line["grpc"].as_str()?.parse().ok()
        });
        // Whatever it logs has to go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address: address.expect("the server must say where it listens"),
        }
    }

    fn descriptors(&self) -> usize {
        let path = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(path).unwrap().count()
    }

    /// Its resident memory, in KiB.
    fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        number(&status, "VmRSS:").expect("Linux tells it")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first number after a name.
fn number(text: &str, name: &str) -> Option<usize> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().find_map(|word| word.parse().ok())
}

/// How many connections this process opens at a time: a half of what it may.
fn wave() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let files = number(&limits, "Max open files").unwrap_or(10_000);
    (files / 2).clamp(2 * MOST, 5_000)
}

/// A connection that says nothing, and leaves no trace in the kernel when it is dropped. The addresses
/// of this host have only so many ports each.
async fn attempt(server: SocketAddr, from: Ipv4Addr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_zero_linger().unwrap();
    socket.bind((from, 0).into()).unwrap();
    timeout(PATIENCE, socket.connect(server)).await.ok()?.ok()
}

async fn list(client: &mut UserServiceClient<Channel>) {
    let answer = client.list_users(v1::ListUsersRequest::default());
    let answer = timeout(SOON, answer)
        .await
        .expect("a call must be answered");
    answer.expect("who is connected must be served");
}

async fn client(address: SocketAddr) -> UserServiceClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let connected = async {
        loop {
            if let Ok(channel) = endpoint.connect().await {
                break channel;
            }
        }
    };
    let channel = timeout(SOON, connected).await;
    UserServiceClient::new(channel.expect("a client must get in"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_connections_take_no_more_than_their_places() {
    let server = Server::start();
    let mut normal = client(server.address).await;
    for _ in 0..100 {
        list(&mut normal).await;
    }
    let before = server.memory();
    let (wave, began) = (wave(), Instant::now());
    let (mut tried, mut opened, mut full, mut largest) = (0_usize, 0_usize, 0_usize, before);
    for number in 1.. {
        // Every wave has a source of its own.
        let from = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 1).to_bits() + number);
        let attempts = (0..wave).map(|_| attempt(server.address, from));
        let held: Vec<_> = join_all(attempts).await.into_iter().flatten().collect();
        tried += wave;
        opened += held.len();
        list(&mut normal).await;
        let descriptors = server.descriptors();
        assert!(
            descriptors <= MOST + OTHERS,
            "{descriptors} descriptors are more than {MOST} connections need"
        );
        full += usize::from(descriptors >= MOST);
        largest = largest.max(server.memory());
        drop(held);
        if tried >= TRIED {
            break;
        }
    }
    eprintln!(
        "{tried} connections were tried in {:?}, {opened} were opened, the server was full in \
         {full} of {} waves; its memory grew from {before} to {largest} KiB",
        began.elapsed(),
        tried.div_ceil(wave),
    );
    assert!(full > 0, "the server must have been full");
    assert!(
        largest <= before + GROWTH,
        "memory must not grow from {before} to {largest} KiB"
    );
    list(&mut normal).await;
    let mut late = client(server.address).await;
    list(&mut late).await;
}
