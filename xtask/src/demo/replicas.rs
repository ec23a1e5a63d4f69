//! The server processes: this very program, started again as `xtask replica`.
//!
//! A replica never outlives the demo: it stops when its standard input ends, which the operating
//! system sees to even when the demo is killed.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use user_client::connect::Channel;

use super::error::{Error, ReplicaFailure};

/// How long a replica may take to become ready; a second is usual, even on a busy machine.
const START_BOUND: Duration = Duration::from_secs(20);

/// How long a replica may take to end after SIGTERM: longer than [`NOTICE`] and [`DEADLINE`] together.
const STOP_BOUND: Duration = Duration::from_secs(10);

/// How long a stopping replica goes on serving so that clients can notice (`drain.notice`).
const NOTICE: &str = "1s";

/// How long its calls in flight may take after that (`drain.deadline`).
const DEADLINE: &str = "5s";

/// How often a starting replica is asked for its health, as a kubelet would, only faster.
const PROBE_INTERVAL: Duration = Duration::from_millis(50);

/// How much of a log is shown when its replica failed.
const SHOWN_LOG_LINES: usize = 20;

/// One replica: its place, and its process while it runs.
#[derive(Debug)]
pub(crate) struct Replica {
    address: SocketAddr,
    database: PathBuf,
    log: PathBuf,
    process: Option<Child>,
}

// === impl Replica ===

impl Replica {
    /// A replica that is not started yet, with its log in `directory` and the database that all of
    /// them share.
    pub(crate) fn new(address: SocketAddr, directory: &Path) -> Self {
        Self {
            address,
            database: directory.join("demo.sqlite"),
            log: directory.join(format!("replica-{}.log", address.ip())),
            process: None,
        }
    }

    /// Where it listens; also what it calls itself.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts the process; it is not ready yet.
    pub(crate) fn start(&mut self) -> Result<(), Error> {
        free(self.address)?;
        let failed = |source| Error::Process {
            address: self.address,
            action: "started",
            source,
        };
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(failed)?;
        let mut command = Command::new(this_program().map_err(failed)?);
        command
            .args(["replica", "--", "--exit-with-stdin"])
            // The settings of the operator's own server are none of the demo's.
            .env_clear()
            .env("USER_SERVER__INSTANCE__NAME", self.address.to_string())
            .env("USER_SERVER__SERVER__ADDRESS", self.address.to_string())
            .env("USER_SERVER__OPS__ADDRESS", "127.0.0.1:0")
            .env(
                "USER_SERVER__STORE__URL",
                format!("sqlite://{}", self.database.display()),
            )
            .env("USER_SERVER__DRAIN__NOTICE", NOTICE)
            .env("USER_SERVER__DRAIN__DEADLINE", DEADLINE)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        // Ctrl-C on the terminal is for the demo; it ends the replicas in its own order.
        #[cfg(unix)]
        command.process_group(0).arg0("xtask");
        self.process = Some(command.spawn().map_err(failed)?);
        Ok(())
    }

    /// Waits until the server says SERVING.
    pub(crate) async fn ready(&mut self) -> Result<(), Error> {
        let ready = async {
            loop {
                if let Some(status) = self.ended()? {
                    return Err(self.failed(ReplicaFailure::Ended(status)));
                }
                if is_serving(self.address).await? {
                    return Ok(());
                }
                tokio::time::sleep(PROBE_INTERVAL).await;
            }
        };
        match tokio::time::timeout(START_BOUND, ready).await {
            Ok(result) => result,
            Err(_elapsed) => Err(self.failed(ReplicaFailure::NotReady(START_BOUND))),
        }
    }

    /// SIGKILL, as an out-of-memory kill is: no drain, no GOAWAY.
    pub(crate) async fn kill(&mut self) -> Result<(), Error> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        process.kill().await.map_err(|source| Error::Process {
            address: self.address,
            action: "killed",
            source,
        })
    }

    /// SIGTERM, as every orderly end of a pod is. Returns at once; see [`stopped`](Self::stopped).
    pub(crate) fn terminate(&mut self) -> Result<(), Error> {
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        send_sigterm(process).map_err(|source| Error::Process {
            address: self.address,
            action: "sent a SIGTERM",
            source,
        })
    }

    /// Waits for the end of a replica that was asked to stop, and kills it when it takes too long.
    pub(crate) async fn stopped(&mut self) -> Result<(), Error> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        // `Child::wait` would close it first, which is a second request to stop.
        let _held_open = process.stdin.take();
        match tokio::time::timeout(STOP_BOUND, process.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(self.failed(ReplicaFailure::Ended(status))),
            Ok(Err(source)) => Err(Error::Process {
                address: self.address,
                action: "waited for",
                source,
            }),
            // Dropping the process kills it.
            Err(_elapsed) => Err(self.failed(ReplicaFailure::DoesNotEnd(STOP_BOUND))),
        }
    }

    fn ended(&mut self) -> Result<Option<std::process::ExitStatus>, Error> {
        let Some(process) = &mut self.process else {
            return Ok(None);
        };
        process.try_wait().map_err(|source| Error::Process {
            address: self.address,
            action: "watched",
            source,
        })
    }

    fn failed(&self, what: ReplicaFailure) -> Error {
        let log = std::fs::read_to_string(&self.log)
            .unwrap_or_else(|error| format!("(it cannot be read: {error})"));
        let lines: Vec<&str> = log.lines().collect();
        let shown = &lines[lines.len().saturating_sub(SHOWN_LOG_LINES)..];
        Error::Replica {
            address: self.address,
            what,
            log: shown.join("\n"),
        }
    }
}

/// This very program, also when its file has been replaced by a build since it was started.
fn this_program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") {
        Ok(PathBuf::from("/proc/self/exe"))
    } else {
        std::env::current_exe()
    }
}

/// Whether a replica can listen there; the reason when not.
pub(crate) fn free(address: SocketAddr) -> Result<(), Error> {
    match TcpListener::bind(address) {
        Ok(_released_at_once) => Ok(()),
        Err(error) => Err(match (error.kind(), address.ip()) {
            (ErrorKind::AddrInUse, _) => Error::PortTaken { address },
            (ErrorKind::AddrNotAvailable, std::net::IpAddr::V4(address)) => {
                Error::NoLoopbackAlias { address }
            }
            _ => Error::Listen {
                address,
                source: error,
            },
        }),
    }
}

/// The loopback addresses of the replicas.
pub(crate) const ADDRESSES: [Ipv4Addr; 3] = [
    Ipv4Addr::LOCALHOST,
    Ipv4Addr::new(127, 0, 0, 2),
    Ipv4Addr::new(127, 0, 0, 3),
];

/// Asks `grpc.health.v1` on a connection of its own: a channel that failed once would wait for its
/// backoff.
async fn is_serving(address: SocketAddr) -> Result<bool, Error> {
    let channel = Channel::builder(format!("ipv4:{address}"))
        .connect_timeout(PROBE_INTERVAL * 20)
        .connect()
        .map_err(|error| Error::Channel(error.into()))?;
    // No service named: the whole server, as a kubelet's probe asks.
    let mut request = tonic::Request::new(HealthCheckRequest::default());
    request.set_timeout(PROBE_INTERVAL * 20);
    let answer = HealthClient::new(channel).check(request).await;
    Ok(answer.is_ok_and(|it| it.into_inner().status() == ServingStatus::Serving))
}

#[cfg(unix)]
fn send_sigterm(process: &mut Child) -> io::Result<()> {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = process
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw)
        // It has ended already.
        .ok_or(ErrorKind::NotFound)?;
    Ok(kill_process(pid, Signal::TERM)?)
}

/// Where there are no signals, the end of standard input asks for the same.
#[cfg(not(unix))]
fn send_sigterm(process: &mut Child) -> io::Result<()> {
    drop(process.stdin.take());
    Ok(())
}
