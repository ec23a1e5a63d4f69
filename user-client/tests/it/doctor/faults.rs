//! Faults of names, sockets and servers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{NAME, assert_failed, assert_only, doctor, finding, ip, two};
use crate::dns::Dns;
use crate::replica::{Fault, Replica};

/// Short, because what is tested never answers.
const IMPATIENT: [&str; 2] = ["--set", "channel.connect_timeout=300ms"];

/// The address that this machine would use to reach others: a resolver knows the names of loopback's
/// by itself, and asks nobody (RFC 6761). Nothing is sent.
fn own_address() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // An address of documentation (RFC 5737).
    socket.connect("192.0.2.1:9").ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_loopback() && !own.is_unspecified()).then_some(own)
}

/// Answers whatever is said with these bytes, and with none stays silent.
async fn answering(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok((mut stream, _peer)) = listener.accept().await {
            if answer.is_empty() {
                silent.push(stream);
                continue;
            }
            let mut asked = [0; 64];
            let _length = stream.read(&mut asked).await;
            let _written = stream.write_all(answer).await;
        }
    });
    address
}

/// Gives its connections to these addresses in turn, as a cluster IP does.
async fn balancing(replicas: Vec<SocketAddr>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for replica in replicas.into_iter().cycle() {
            let Ok((mut stream, _peer)) = listener.accept().await else {
                return;
            };
            tokio::spawn(async move {
                let mut replica = TcpStream::connect(replica).await.unwrap();
                let _ended = tokio::io::copy_bidirectional(&mut stream, &mut replica).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_exist_is_the_one_thing_that_is_wrong() {
    let dns = Dns::start().await;
    let (code, report) = doctor(&[&dns.target(NAME, 1)]).await;
    assert_eq!(code, 1);
    let next = "kubectl get service echo-headless --namespace default";
    assert_only(&report, "name", "does not exist (NXDOMAIN)", next);
    for question in ["connection", "http2", "health", "spread", "clusterIp"] {
        let found = finding(&report, question);
        assert_eq!(found["outcome"], "skipped", "{question}: {report:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_without_addresses_asks_for_a_ready_pod() {
    let dns = Dns::start().await;
    dns.name(NAME, &[]);
    let (_code, report) = doctor(&[&dns.target(NAME, 1)]).await;
    assert_only(&report, "name", "has no addresses", "endpointslices");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_ip_is_known_by_the_name_that_its_address_has() {
    let Some(own) = own_address() else {
        println!("SKIPPED: this machine has no address but loopback's, whose names are known");
        return;
    };
    let replica = Replica::start_at((own, 0).into(), "a", Fault::None, Arc::default());
    let service = "echo.default.svc.cluster.local.";
    let dns = Dns::start().await;
    dns.name(service, &[ip(&replica)]);
    let target = dns.target(service, replica.address.port());
    dns.reverse(ip(&replica), "pod.echo.default.svc.cluster.local.");
    let (code, report) = doctor(&[&target]).await;
    assert_eq!(
        code, 0,
        "one pod of a headless Service is no mistake: {report:#}"
    );

    dns.reverse(ip(&replica), service);
    let (code, report) = doctor(&[&target]).await;
    assert_eq!(code, 1);
    assert_only(
        &report,
        "clusterIp",
        "all calls go to one pod",
        "clusterIP: None",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balancer_of_connections_is_known_by_who_answers() {
    let replicas = [
        Replica::start("a", Fault::None),
        Replica::start("b", Fault::None),
    ];
    let balancer = balancing(replicas.iter().map(|it| it.address).collect()).await;
    let dns = Dns::start().await;
    dns.name(NAME, &[balancer.ip()]);
    let (code, report) = doctor(&[&dns.target(NAME, balancer.port())]).await;
    assert_eq!(code, 1);
    assert_only(
        &report,
        "clusterIp",
        "2 replicas answer behind the one address",
        "headless",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_port_is_named_and_the_others_go_on() {
    let replica = Replica::start("a", Fault::None);
    let port = replica.address.port();
    let dns = Dns::start().await;
    // Nobody listens at the port of this address.
    let closed = "127.0.0.3".parse().unwrap();
    dns.name(NAME, &[ip(&replica), closed]);
    let (code, report) = doctor(&[&dns.target(NAME, port)]).await;
    assert_eq!(code, 1);
    let says = format!("1 of 2 accept; 127.0.0.3:{port}: connection refused");
    assert_only(&report, "connection", &says, "status.podIP=127.0.0.3");
    assert_eq!(
        finding(&report, "health")["outcome"],
        "passed",
        "{report:#}"
    );
    assert_eq!(report["addresses"][1]["failedAt"], "connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_accepts_and_says_nothing_is_found_in_bounded_time() {
    let hole = answering(b"").await;
    let target = format!("ipv4:{hole}");
    let args = [&IMPATIENT[..], &[&target]].concat();
    let run = doctor(&args);
    let (code, report) = tokio::time::timeout(Duration::from_secs(30), run)
        .await
        .expect("nothing waits for ever");
    assert_eq!(code, 1);
    assert_only(
        &report,
        "http2",
        "accepts and says nothing within 300ms",
        "hang",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_http_1_and_one_of_tls_are_told_apart() {
    let http1 = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let (_code, report) = doctor(&[&format!("ipv4:{http1}")]).await;
    assert_only(
        &report,
        "http2",
        "HTTP/1 and not HTTP/2",
        "which one is grpc?",
    );
    // A fatal `protocol_version`.
    let tls = answering(b"\x15\x03\x03\x00\x02\x02\x46").await;
    let (_code, report) = doctor(&[&format!("ipv4:{tls}")]).await;
    assert_only(&report, "http2", "it speaks TLS", "--tls");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_does_not_serve_says_so_by_itself() {
    let replica = Replica::start("a", Fault::NotServing);
    let (code, report) = doctor(&[&replica.target()]).await;
    assert_eq!(code, 1);
    assert_failed(&report, "health", "NOT_SERVING", "/readyz");
    assert_eq!(report["addresses"][0]["failedAt"], "health");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_lead_to_one_replica_are_no_spread() {
    let replicas = two(["a", "a"], Fault::None);
    let dns = Dns::start().await;
    dns.name(NAME, &replicas.each_ref().map(ip));
    let (code, report) = doctor(&[&dns.target(NAME, replicas[0].address.port())]).await;
    assert_eq!(code, 1);
    let says = "30 calls over 2 addresses were answered by 1 replica: 30 by a";
    assert_only(&report, "spread", says, "headless");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_fail_are_told_with_their_code() {
    let replica = Replica::start("a", Fault::EveryNth(2));
    let (code, report) = doctor(&[&replica.target()]).await;
    assert_eq!(code, 1);
    assert_only(
        &report,
        "spread",
        "15 of 30 calls failed: RESOURCE_EXHAUSTED",
        "limit",
    );
}
