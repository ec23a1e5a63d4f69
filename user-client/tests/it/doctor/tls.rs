//! Faults of certificates, of which each is repaired by somebody else.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::certificates::{Authority, Identity, Validity, soon};
use super::{assert_failed, assert_only, doctor, finding};
use crate::replica::{Fault, Replica};

const HOST: &str = "localhost";

/// A replica that speaks TLS.
struct Secure {
    address: SocketAddr,
    _replica: Replica,
}

/// The files that a client has.
struct Files(TempDir);

// === impl Secure ===

impl Secure {
    async fn start(config: Arc<ServerConfig>) -> Self {
        let replica = Replica::start("a", Fault::None);
        let behind = replica.address;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(config);
        tokio::spawn(async move {
            while let Ok((stream, _peer)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut behind = TcpStream::connect(behind).await.unwrap();
                    let _ended = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
                });
            }
        });
        Self {
            address,
            _replica: replica,
        }
    }
}

// === impl Files ===

impl Files {
    fn trusting(authority: &Authority) -> Self {
        let folder = tempfile::tempdir().unwrap();
        authority.write(&folder.path().join("ca.crt"));
        Self(folder)
    }

    fn with(self, identity: &Identity) -> Self {
        let file = |name| self.0.path().join(name);
        identity.write(&file("tls.crt"), &file("tls.key"));
        self
    }

    async fn doctor(&self, address: SocketAddr) -> (i32, Value) {
        let file = |name| self.0.path().join(name).to_str().unwrap().to_owned();
        let (ca, certificate, key) = (file("ca.crt"), file("tls.crt"), file("tls.key"));
        let target = format!("ipv4:{address}");
        let mut args = vec![
            &*target,
            "--tls",
            "--tls-ca",
            &ca,
            "--tls-server-name",
            HOST,
        ];
        if std::fs::exists(&certificate).unwrap() {
            args.extend(["--tls-certificate", &certificate, "--tls-private-key", &key]);
        }
        doctor(&args).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_certificate_is_told_with_its_end() {
    let authority = Authority::new("ours");
    let server = Secure::start(authority.issue(HOST, Validity::Current).server()).await;
    let (code, report) = Files::trusting(&authority).doctor(server.address).await;
    assert_eq!(code, 0, "{report:#}");
    let tls = finding(&report, "tls")["says"].as_str().unwrap();
    assert_eq!(tls, "1 of 1 speak TLS 1.3 and prove to be localhost");
    let certificate = finding(&report, "certificate")["says"].as_str().unwrap();
    assert!(
        certificate.contains("until 4096-01-01T00:00:00Z"),
        "{certificate}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_defect_of_a_certificate_is_told_from_the_others() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let anew = Authority::new("ours");
    let current = Validity::Current;
    for (identity, says, next) in [
        (
            theirs.issue(HOST, current),
            "issuer is not trusted",
            "--tls-ca",
        ),
        (
            anew.issue(HOST, current),
            "not signed with the key",
            "made anew",
        ),
        (ours.issue(HOST, Validity::Over), "has expired", "renew it"),
        (
            ours.issue(HOST, Validity::Future),
            "not valid yet",
            "clocks",
        ),
        (
            ours.issue("other.test", current),
            "not for localhost but for DnsName(\"other.test\")",
            "--tls-server-name",
        ),
    ] {
        let server = Secure::start(identity.server()).await;
        let (code, report) = Files::trusting(&ours).doctor(server.address).await;
        assert_eq!(code, 1, "{says}");
        assert_only(&report, "tls", says, next);
        assert_eq!(
            finding(&report, "http2")["outcome"],
            "skipped",
            "{report:#}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_should_have_been_renewed_is_told_before_it_expires() {
    let authority = Authority::new("ours");
    let server = Secure::start(authority.issue(HOST, Validity::Nearly).server()).await;
    let (code, report) = Files::trusting(&authority).doctor(server.address).await;
    assert_eq!(code, 1);
    assert_only(
        &report,
        "certificate",
        &format!("valid only until {}-01-01", soon()),
        "renew it now",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_that_is_missing_or_refused_is_told() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let current = Validity::Current;
    let server = Secure::start(ours.mutual(&ours.issue(HOST, current))).await;
    let (_code, report) = Files::trusting(&ours).doctor(server.address).await;
    let asks = "--tls-certificate FILE --tls-private-key FILE";
    assert_only(&report, "tls", "certificate_required", asks);

    let stranger = Files::trusting(&ours).with(&theirs.issue("stranger", current));
    let (_code, report) = stranger.doctor(server.address).await;
    assert_only(
        &report,
        "tls",
        "the peer sent the alert",
        "does not trust this client's",
    );

    let known = Files::trusting(&ours).with(&ours.issue("client", current));
    let (code, report) = known.doctor(server.address).await;
    assert_eq!(code, 0, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plaintext_on_one_side_and_tls_on_the_other_is_told_from_both() {
    let authority = Authority::new("ours");
    let plain = Replica::start("a", Fault::None);
    let (_code, report) = Files::trusting(&authority).doctor(plain.address).await;
    assert_only(&report, "tls", "does not speak TLS", "plaintext");

    let server = Secure::start(authority.issue(HOST, Validity::Current).server()).await;
    let (code, report) = doctor(&[&format!("ipv4:{}", server.address)]).await;
    assert_eq!(code, 1);
    let found = finding(&report, "http2");
    assert!(found["next"].to_string().contains("--tls"), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_used_are_a_finding_and_no_key_is_shown() {
    let authority = Authority::new("ours");
    let files = Files::trusting(&authority).with(&authority.issue("client", Validity::Current));
    let key = std::fs::read_to_string(files.0.path().join("tls.key")).unwrap();
    std::fs::write(files.0.path().join("tls.crt"), &key).unwrap();
    let (code, report) = files.doctor("127.0.0.1:1".parse().unwrap()).await;
    assert_eq!(code, 1);
    assert_failed(&report, "tls", "tls.crt", "tls.certificate");
    let secret = key.lines().nth(1).unwrap();
    assert!(!report.to_string().contains(secret), "no key is shown");
}
