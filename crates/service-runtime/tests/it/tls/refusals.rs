//! Who is not let in: each with its reason in the log, and an error at the client that names it.

use std::net::SocketAddr;
use std::time::Duration;

use rustls::version::TLS12;
use service_runtime::server::Config;
use service_runtime::tls::server::Mode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::certificates::{Authority, SERVER, Validity};
use super::client::{connect, refused, speaking, trusting};
use super::files::Folder;
use crate::log;
use crate::subject::{asking, on_a_free_port, soon, start};

/// What a client of TLS 1.1 says first: its version, 32 random bytes, one cipher suite
/// (`TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA`), and no extensions.
fn hello_of_tls_1_1() -> Vec<u8> {
    let mut body = vec![3, 2];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    let length = u8::try_from(body.len()).unwrap();
    let mut hello = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    hello.append(&mut body);
    hello
}

/// Waits for the log line of a peer that was refused.
async fn logged(peer: SocketAddr, reason: &str) -> String {
    let (peer, reason) = (format!("peer={peer} "), format!("reason=\"{reason}\""));
    log::line_with(&["no handshake", &peer, &reason]).await
}

/// Waits until the server closes the connection; what it said until then.
async fn closed(socket: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    // A reset is an end as well.
    let _ = soon("the connection's end", socket.read_to_end(&mut said)).await;
    said
}

#[tokio::test]
async fn certificates_that_prove_nothing_are_refused() {
    log::start();
    let (authority, stranger) = (Authority::named("a"), Authority::named("stranger"));
    let namesake = Authority::named("a");
    let folder = Folder::with(&authority.server(), &authority);
    let (server, _gate) = start(folder.listener(Mode::Mtls));
    let address = server.local_address();
    for (client, reason, alert) in [
        (None, "no_certificate", "CertificateRequired"),
        (
            Some(authority.client(Validity::Over)),
            "expired",
            "CertificateExpired",
        ),
        (
            Some(authority.client(Validity::Future)),
            "expired",
            "CertificateExpired",
        ),
        (
            Some(stranger.client(Validity::Current)),
            "unknown_authority",
            "UnknownCA",
        ),
        (
            Some(namesake.client(Validity::Current)),
            "unknown_authority",
            "DecryptError",
        ),
    ] {
        let config = trusting(&authority, client.as_ref());
        let (us, error) = refused(address, config, SERVER).await;
        assert!(error.contains(alert), "{reason}: {error}");
        logged(us, reason).await;
    }
    let client = authority.client(Validity::Current);
    connect(address, trusting(&authority, Some(&client))).await;
}

/// In TLS 1.3 a client has shaken hands before it knows whether it is let in, and goes on to HTTP/2.
#[tokio::test]
async fn a_refused_client_that_goes_on_writing_still_learns_why() {
    log::start();
    let authority = Authority::named("a");
    let folder = Folder::with(&authority.server(), &authority);
    let (server, _gate) = start(folder.listener(Mode::Mtls));
    let config = trusting(&authority, None);
    let (us, stream) = super::client::shake(server.local_address(), config, SERVER).await;
    let mut stream = stream.unwrap();
    logged(us, "no_certificate").await;
    for _ in 0..3 {
        stream.write_all(b"PRI * HTTP/2.0").await.unwrap();
        stream.flush().await.unwrap();
    }
    let error = soon("the refusal", stream.read_u8()).await.unwrap_err();
    assert!(error.to_string().contains("CertificateRequired"), "{error}");
}

#[tokio::test]
async fn a_client_that_refuses_the_server_is_logged_with_its_reason() {
    log::start();
    let (authority, other) = (Authority::named("a"), Authority::named("other"));
    let folder = Folder::with(&authority.server(), &authority);
    let (server, _gate) = start(folder.listener(Mode::Tls));
    let address = server.local_address();

    let (us, error) = refused(address, trusting(&other, None), SERVER).await;
    assert!(error.contains("UnknownIssuer"), "{error}");
    let line = logged(us, "refused").await;
    assert!(line.contains("UnknownCA"), "{line}");

    let (us, error) = refused(address, trusting(&authority, None), "another.test").await;
    assert!(error.contains("not valid for name"), "{error}");
    logged(us, "refused").await;
}

#[tokio::test]
async fn versions_before_1_3_are_refused_by_default() {
    log::start();
    let authority = Authority::named("a");
    let folder = Folder::with(&authority.server(), &authority);
    let (server, _gate) = start(folder.listener(Mode::Tls));
    let address = server.local_address();

    let old = speaking(&TLS12, &authority, None);
    let (us, error) = refused(address, old, SERVER).await;
    assert!(error.contains("ProtocolVersion"), "{error}");
    logged(us, "incompatible").await;

    let mut socket = TcpStream::connect(address).await.unwrap();
    let us = socket.local_addr().unwrap();
    socket.write_all(&hello_of_tls_1_1()).await.unwrap();
    let said = closed(&mut socket).await;
    assert_eq!(said.first(), Some(&21), "an alert must say why: {said:?}");
    logged(us, "incompatible").await;
}

#[tokio::test]
async fn clients_that_do_not_speak_http_2_are_refused() {
    log::start();
    let authority = Authority::named("a");
    let folder = Folder::with(&authority.server(), &authority);
    let (server, _gate) = start(folder.listener(Mode::Tls));
    for protocols in [vec![], vec![b"http/1.1".to_vec()]] {
        let mut config = trusting(&authority, None);
        config.alpn_protocols.clone_from(&protocols);
        let (us, error) = refused(server.local_address(), config, SERVER).await;
        assert!(
            error.contains("NoApplicationProtocol"),
            "{protocols:?}: {error}"
        );
        logged(us, "no_alpn").await;
    }
}

#[tokio::test]
async fn plaintext_on_a_tls_port_is_told_from_other_failures() {
    log::start();
    let authority = Authority::named("a");
    let folder = Folder::with(&authority.server(), &authority);
    let (server, _gate) = start(folder.listener(Mode::Tls));
    for greeting in ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"] {
        let mut socket = TcpStream::connect(server.local_address()).await.unwrap();
        let us = socket.local_addr().unwrap();
        socket.write_all(greeting.as_bytes()).await.unwrap();
        closed(&mut socket).await;
        logged(us, "not_tls").await;
    }
}

#[tokio::test]
async fn tls_on_a_plaintext_port_is_told_from_other_failures() {
    log::start();
    let authority = Authority::named("a");
    let (server, _gate) = start(on_a_free_port());
    let config = trusting(&authority, None);
    let (us, error) = refused(server.local_address(), config, SERVER).await;
    assert!(error.contains("InvalidContentType"), "{error}");
    let peer = format!("peer={us} ");
    log::line_with(&["the peer speaks TLS, and this listener plaintext", &peer]).await;
}

#[tokio::test]
async fn a_port_probe_is_no_news() {
    log::start();
    let authority = Authority::named("a");
    let folder = Folder::with(&authority.server(), &authority);
    let (server, _gate) = start(folder.listener(Mode::Tls));
    let socket = TcpStream::connect(server.local_address()).await.unwrap();
    let us = socket.local_addr().unwrap();
    drop(socket);
    let line = logged(us, "left").await;
    assert!(line.contains("DEBUG"), "{line}");
}

#[tokio::test]
async fn silence_is_not_listened_to_for_ever() {
    log::start();
    let authority = Authority::named("a");
    let folder = Folder::with(&authority.server(), &authority);
    let (server, _gate) = start(Config {
        handshake_timeout: Duration::from_millis(200),
        max_connections: 1,
        ..folder.listener(Mode::Tls)
    });
    let address = server.local_address();

    // It says nothing, and holds the only place.
    let mut silent = TcpStream::connect(address).await.unwrap();
    let us = silent.local_addr().unwrap();
    let next = tokio::spawn(connect(address, trusting(&authority, None)));
    closed(&mut silent).await;
    logged(us, "timeout").await;
    drop(soon("the next one's turn", next).await.unwrap());

    // It shakes hands, and then says nothing.
    let config = trusting(&authority, None);
    let (_, stream) = super::client::shake(address, config, SERVER).await;
    let mut stream = stream.unwrap();
    let mut byte = [0; 64];
    let end = async { while stream.read(&mut byte).await.is_ok_and(|count| count > 0) {} };
    soon("the end of the silent connection", end).await;
    connect(address, trusting(&authority, None)).await;
}

#[tokio::test]
async fn handshakes_over_the_limit_wait_for_their_turn() {
    let authority = Authority::named("a");
    let folder = Folder::with(&authority.server(), &authority);
    let (server, _gate) = start(Config {
        // No timeout can end the wait within this test.
        handshake_timeout: Duration::from_hours(1),
        max_handshakes: 1,
        ..folder.listener(Mode::Tls)
    });
    let address = server.local_address();
    let hello = hello_of_tls_1_3(&authority);

    // Who has not said anything yet has no turn.
    let _silent = TcpStream::connect(address).await.unwrap();
    // Who has said hello has one, until it finishes or leaves.
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(&hello).await.unwrap();
    let mut first = [0; 5];
    soon("the server's hello", half.read_exact(&mut first))
        .await
        .unwrap();

    // This one has said hello as well, and gets no answer as long as the other one has the turn.
    let mut waiting = TcpStream::connect(address).await.unwrap();
    waiting.write_all(&hello).await.unwrap();
    // A wait for something not to happen has to end by the clock; it never fails a server that is slow.
    let nothing = tokio::time::timeout(Duration::from_millis(100), waiting.read(&mut first)).await;
    assert!(nothing.is_err(), "the limit must hold");

    drop(half);
    soon("the turn of the next one", waiting.read_exact(&mut first))
        .await
        .unwrap();
    assert_eq!(first[0], 22, "the server must shake hands now");
    drop(waiting);
    let mut client = connect(address, trusting(&authority, None)).await;
    client.check(asking("")).await.unwrap();
}

/// What our client says first.
fn hello_of_tls_1_3(authority: &Authority) -> Vec<u8> {
    let name = SERVER.try_into().unwrap();
    let config = trusting(authority, None).into();
    let mut client = rustls::ClientConnection::new(config, name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_that_comes_again_and_again_is_one_line_of_the_log() {
    log::start();
    let authority = Authority::named("a");
    let folder = Folder::with(&authority.server(), &authority);
    let (server, _gate) = start(folder.listener(Mode::Mtls));
    let mut lines = Vec::new();
    for _ in 0..20 {
        let config = trusting(&authority, None);
        let (us, _) = refused(server.local_address(), config, SERVER).await;
        lines.push(log::line_with(&["no handshake", &format!("peer={us} ")]).await);
    }
    let told = lines.iter().filter(|line| line.contains(" INFO ")).count();
    assert_eq!(
        told, 1,
        "the others are for those who look for them: {lines:?}"
    );
    assert!(lines[0].contains(" INFO "), "{lines:?}");
    assert!(lines[0].contains("suppressed=0"), "{lines:?}");
}
