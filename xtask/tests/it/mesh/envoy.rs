//! A real Envoy, for as long as a test needs it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Longer than any healthy start on a busy machine.
const START: Duration = Duration::from_mins(1);

/// How often a starting Envoy is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// A running Envoy; it is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Envoy {
    admin: SocketAddr,
    /// Where it listens; both lead to the same routes.
    pub(super) addresses: [SocketAddr; 2],
    _process: Child,
    _folder: TempDir,
}

/// Where it is on the PATH, if it is; `.ci/from-pypi` installs one.
pub(super) fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("envoy"))
        .find(|file| file.is_file())
}

// === impl Envoy ===

impl Envoy {
    pub(super) async fn start(program: PathBuf, bootstrap: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [config, admin, log] =
            ["config.json", "admin", "log"].map(|name| folder.path().join(name));
        std::fs::write(&config, bootstrap.to_string()).unwrap();
        let mut process = Command::new(program)
            .arg("--config-path")
            .arg(&config)
            .arg("--admin-address-path")
            .arg(&admin)
            .args([
                "--disable-hot-restart",
                "--concurrency",
                "1",
                "--log-level",
                "warning",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let started = async {
            loop {
                if let Some(status) = process.try_wait().unwrap() {
                    let log = std::fs::read_to_string(&log).unwrap();
                    panic!("Envoy ended with {status}: {log}");
                }
                // It is written when the port is known.
                let admin = std::fs::read_to_string(&admin).unwrap_or_default();
                if let Ok(admin) = admin.trim().parse()
                    && let Some(addresses) = listening(admin).await
                {
                    return (admin, addresses);
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let (admin, addresses) = tokio::time::timeout(START, started)
            .await
            .expect("Envoy must start");
        Self {
            admin,
            addresses,
            _process: process,
            _folder: folder,
        }
    }

    /// A counter of its statistics; zero while nothing was counted.
    pub(super) async fn counter(&self, name: &str) -> u64 {
        let answer = get(self.admin, &format!("/stats?filter=^{name}$")).await;
        let answer = answer.expect("Envoy's admin port must answer");
        let value = answer
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.map_or(0, |value| value.parse().unwrap())
    }
}

/// The addresses of both listeners, when they are there.
async fn listening(admin: SocketAddr) -> Option<[SocketAddr; 2]> {
    let body = get(admin, "/listeners?format=json").await?;
    let body: Value = serde_json::from_str(&body).ok()?;
    let listeners = body["listener_statuses"].as_array()?.iter();
    let addresses = listeners.map(|listener| {
        let address = &listener["local_address"]["socket_address"];
        let ip = address["address"].as_str()?.parse().ok()?;
        let port = u16::try_from(address["port_value"].as_u64()?).ok()?;
        (port != 0).then(|| SocketAddr::new(ip, port))
    });
    let addresses: Vec<_> = addresses.collect::<Option<_>>()?;
    addresses.try_into().ok()
}

/// The body of the answer of the admin port.
async fn get(admin: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(admin).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    assert!(head.contains(" 200 "), "{path}: {answer}");
    unchunked(body)
}

/// Joins the chunks of a body (RFC 9112, section 7.1), which is how Envoy answers.
fn unchunked(mut body: &str) -> Option<String> {
    let mut joined = String::new();
    loop {
        let (length, rest) = body.split_once("\r\n")?;
        let length = usize::from_str_radix(length, 16).ok()?;
        if length == 0 {
            return Some(joined);
        }
        joined.push_str(rest.get(..length)?);
        body = rest.get(length..)?.strip_prefix("\r\n")?;
    }
}
