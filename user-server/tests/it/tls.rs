//! The settings under `server.tls`, from the files to what an operator sees.

use std::path::Path;
use std::process::Command;

use rcgen::{CertificateParams, KeyPair};
use service_runtime::tls::server::Mode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::running::{Running, settings, soon};

/// Puts a certificate that signs itself and its key into a folder.
fn put_identity(folder: &Path) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["server.test".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
}

/// Runs the binary with TLS by the files of a folder, which it cannot use; its exit code, and what it
/// said.
fn refusal(folder: &Path, settings: &[&str]) -> (Option<i32>, String) {
    let path = |name: &str| folder.join(name).display().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_user-server"))
        .args(["--address", "127.0.0.1:0", "--ops-address", "127.0.0.1:0"])
        .args(["--set", "server.tls.mode=tls"])
        .args([
            "--set",
            &format!("server.tls.certificate={}", path("tls.crt")),
        ])
        .args([
            "--set",
            &format!("server.tls.private_key={}", path("tls.key")),
        ])
        .args(settings)
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

async fn readyz(server: &Running) -> String {
    let mut stream = tokio::net::TcpStream::connect(server.ops).await.unwrap();
    let request = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn readyz_says(server: &Running, parts: &[&str]) {
    soon(&format!("{parts:?} in /readyz"), async {
        loop {
            let answer = readyz(server).await;
            if parts.iter().all(|part| answer.contains(part)) {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn files_that_are_refused_are_shown_and_leave_the_replica_ready() {
    let folder = tempfile::tempdir().unwrap();
    put_identity(folder.path());
    let mut settings = settings("sqlite::memory:");
    settings.server.tls.mode = Mode::Tls;
    settings.server.tls.certificate = folder.path().join("tls.crt");
    settings.server.tls.private_key = folder.path().join("tls.key");
    let server = Running::start(settings).await;
    readyz_says(
        &server,
        &["200 OK", "tls: the certificate is valid until 4096-"],
    )
    .await;

    let certificate = folder.path().join("tls.crt");
    std::fs::write(&certificate, "broken").unwrap();
    let why = format!("newer files are not used: {} holds", certificate.display());
    readyz_says(&server, &["200 OK", "ready\n", &why]).await;

    put_identity(folder.path());
    soon("the end of the refusal", async {
        while readyz(&server).await.contains("newer files") {}
    })
    .await;
    server.stop().await;
}

#[test]
fn files_that_cannot_be_used_are_named_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = refusal(folder.path(), &[]);
    assert_eq!(code, Some(1), "{said}");
    for part in ["the settings under server.tls", "tls.crt", "No such file"] {
        assert!(said.contains(part), "{part:?} must be in\n{said}");
    }

    put_identity(folder.path());
    let other = KeyPair::generate().unwrap().serialize_pem();
    std::fs::write(folder.path().join("tls.key"), &other).unwrap();
    let (code, said) = refusal(folder.path(), &[]);
    assert_eq!(code, Some(1), "{said}");
    let part = "the certificate and the private key cannot be used";
    assert!(said.contains(part), "{said}");
    let secret = other.lines().nth(1).unwrap();
    assert!(!said.contains(secret), "no key may be shown: {said}");
}

#[test]
fn settings_that_contradict_each_other_are_bad_usage() {
    let folder = tempfile::tempdir().unwrap();
    for (settings, part) in [
        (
            ["--set", "server.tls.mode=mtls"],
            "server.tls.client_ca (default): expected the path of a PEM file, since mode is \"mtls\"",
        ),
        (
            ["--set", "server.tls.client_ca=/ca.crt"],
            "server.tls.client_ca (flag --set server.tls.client_ca): expected nothing",
        ),
        (
            ["--set", "server.tls.source=spiffe"],
            "server.tls.spiffe_endpoint (default): expected unix:///PATH",
        ),
        (
            ["--set", "server.tls.mode=on"],
            "server.tls.mode (flag --set server.tls.mode)",
        ),
        (
            ["--set", "server.tls.minimum_version=1.1"],
            "server.tls.minimum_version (flag --set server.tls.minimum_version)",
        ),
    ] {
        let (code, said) = refusal(folder.path(), &settings);
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains(part), "{part:?} must be in\n{said}");
    }
}
