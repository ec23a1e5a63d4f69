//! The server and the client together by mutual TLS, while everything that they trust and are is
//! replaced.

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    date_time_ymd,
};
use service_runtime::stop::{self, Cause, Stopper};
use service_runtime::tls::server::Mode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;
use user_client::connect::connect;
use user_client::load::{self, Limit, ListCall, Plan, Report, Silent};
use user_client::settings::Settings;
use user_server::Server;

use crate::certs::certs;

/// The bound of every wait: far more than anything here needs.
const SOON: Duration = Duration::from_mins(1);

const NAME: &str = "user-server.default.svc.cluster.local";

/// A server that runs in this process.
struct Running {
    grpc: SocketAddr,
    ops: SocketAddr,
    stopper: Stopper,
    task: tokio::task::JoinHandle<service_runtime::drain::Outcome>,
}

// === impl Running ===

impl Running {
    /// By mutual TLS with the files of a folder.
    async fn start(dir: &Path) -> Self {
        let mut settings = user_server::settings::Settings::default();
        settings.server.address = ([127, 0, 0, 1], 0).into();
        settings.ops.address = ([127, 0, 0, 1], 0).into();
        settings.drain.notice = Duration::ZERO;
        settings.server.tls.mode = Mode::Mtls;
        settings.server.tls.certificate = dir.join("server.crt");
        settings.server.tls.private_key = dir.join("server.key");
        settings.server.tls.client_ca = dir.join("ca.crt");
        // Connections are made again and again, by what the files hold at that time.
        settings.server.max_connection_age = Some(Duration::from_millis(100));
        let server = Server::build(settings).await.unwrap();
        let (stopper, stop) = stop::channel();
        Self {
            grpc: server.grpc_address(),
            ops: server.ops_address(),
            stopper,
            task: tokio::spawn(server.serve(stop)),
        }
    }

    async fn readyz_says(&self, text: &str) {
        let said = async {
            loop {
                let mut stream = tokio::net::TcpStream::connect(self.ops).await.unwrap();
                let request = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
                stream.write_all(request).await.unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await.unwrap();
                if answer.contains(text) {
                    break;
                }
            }
        };
        let said = tokio::time::timeout(SOON, said).await;
        said.unwrap_or_else(|_| panic!("/readyz must say {text:?}"));
    }

    async fn stop(self) {
        self.stopper.stop(Cause::Caller);
        tokio::time::timeout(SOON, self.task)
            .await
            .unwrap()
            .unwrap();
    }
}

/// The settings of a client that has the files of a folder.
fn client(server: &Running, dir: &Path) -> Settings {
    let mut settings = Settings {
        target: format!("ipv4:{}", server.grpc),
        ..Settings::default()
    };
    settings.tls.enabled = true;
    settings.tls.ca = dir.join("ca.crt");
    settings.tls.certificate = dir.join("client.crt");
    settings.tls.private_key = dir.join("client.key");
    NAME.clone_into(&mut settings.tls.server_name);
    settings
}

async fn calls(settings: Settings, limit: Limit, cancel: &CancellationToken) -> Report {
    let channel = connect(&settings).await.unwrap();
    let plan = Plan {
        workers: NonZeroUsize::new(4).unwrap(),
        limit,
        rate: None,
        grace: SOON,
    };
    let call = ListCall::new(channel, settings.timeout);
    load::run(&plan, call, &mut Silent, cancel).await
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Puts whole files in the place of those that are there.
fn put(dir: &Path, name: &str, text: &str) {
    let new = dir.join(format!("{name}.new"));
    fs::write(&new, text).unwrap();
    fs::rename(new, dir.join(name)).unwrap();
}

/// Puts an identity that is valid until the first day of a year.
fn put_identity(dir: &Path, name: &str, by: &CertifiedIssuer<'static, KeyPair>, year: i32) {
    let mut params = CertificateParams::new([NAME.to_owned()]).unwrap();
    params.not_after = date_time_ymd(year, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, by).unwrap();
    put(dir, &format!("{name}.crt"), &certificate.pem());
    put(dir, &format!("{name}.key"), &key.serialize_pem());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_certs_make_a_server_and_a_client_that_trust_each_other() {
    let folder = tempfile::tempdir().unwrap();
    assert!(certs(folder.path(), &[]).status.success());
    let server = Running::start(folder.path()).await;
    let cancel = CancellationToken::new();
    let settings = client(&server, folder.path());
    let report = calls(settings.clone(), Limit::Calls(200), &cancel).await;
    assert_eq!((report.calls(), report.failed()), (200, 0), "{report:?}");

    // Also while one of them has a renewed certificate and the other one has not.
    assert!(certs(folder.path(), &["--renew"]).status.success());
    let report = calls(settings.clone(), Limit::Calls(200), &cancel).await;
    assert_eq!((report.calls(), report.failed()), (200, 0), "{report:?}");

    // Whoever has another authority's certificate is a stranger.
    let other = tempfile::tempdir().unwrap();
    assert!(certs(other.path(), &[]).status.success());
    let mut stranger = settings.clone();
    stranger.tls.certificate = other.path().join("client.crt");
    stranger.tls.private_key = other.path().join("client.key");
    let report = calls(stranger, Limit::Calls(4), &cancel).await;
    assert_eq!(report.failed(), 4, "{report:?}");
    // Whoever trusts another authority does not call this server.
    let mut distrustful = settings;
    distrustful.tls.ca = other.path().join("ca.crt");
    let report = calls(distrustful, Limit::Calls(4), &cancel).await;
    assert_eq!(report.failed(), 4, "{report:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_authority_under_load_fails_no_call() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (old, new) = (authority("old"), authority("new"));
    put(dir, "ca.crt", &old.pem());
    put_identity(dir, "server", &old, 3000);
    put_identity(dir, "client", &old, 3000);
    let server = Running::start(dir).await;
    let settings = client(&server, dir);
    // It reads the same files as the client's channel, which shows nothing of its own.
    let mut witness = settings.tls.load().unwrap().unwrap();
    let cancel = CancellationToken::new();
    let load = tokio::spawn({
        let (settings, cancel) = (settings.clone(), cancel.clone());
        async move { calls(settings, Limit::Never, &cancel).await }
    });

    // First both are trusted, then both ends become the new one's, and then the old one is trusted
    // no more. Each time the server's certificate tells by its year that the change has arrived.
    put(dir, "ca.crt", &format!("{}{}", old.pem(), new.pem()));
    tokio::time::timeout(SOON, witness.changed()).await.unwrap();
    put_identity(dir, "server", &old, 3001);
    server.readyz_says("until 3001-").await;
    put_identity(dir, "client", &new, 3001);
    tokio::time::timeout(SOON, async {
        while !witness.status().to_string().contains("until 3001-") {
            witness.changed().await;
        }
    })
    .await
    .unwrap();
    put_identity(dir, "server", &new, 3002);
    server.readyz_says("until 3002-").await;
    put(dir, "ca.crt", &new.pem());
    for year in 3003..3020 {
        put_identity(dir, "server", &new, year);
        put_identity(dir, "client", &new, year);
        server.readyz_says(&format!("until {year}-")).await;
    }

    // Old identities are of no use any more, so that the client must have taken the new ones.
    let before = calls(settings, Limit::Calls(100), &CancellationToken::new()).await;
    assert_eq!(before.failed(), 0, "{before:?}");
    cancel.cancel();
    let report = tokio::time::timeout(SOON, load).await.unwrap().unwrap();
    assert!(report.calls() > 0);
    assert_eq!(report.failed(), 0, "{report:?}");
    println!("{} calls, 20 rotations, no failed call", report.calls());
    server.stop().await;
}
