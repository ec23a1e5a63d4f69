//! A real OpenTelemetry Collector: the Go program of `tests/collector`, built and run. SKIPPED without Go.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::OnceCell;

use crate::collector::{Logged, Pushed, Seen};
use crate::soon;

/// How long the download of what it is made of may take, and the build after it: two minutes of a
/// processor where nothing is built yet, seconds afterwards.
const DOWNLOAD: Duration = Duration::from_mins(3);
const BUILD: Duration = Duration::from_mins(15);

/// The Go module.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/collector");

/// A collector that runs, and is killed when it is dropped.
pub(crate) struct Otelcol {
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    folder: tempfile::TempDir,
}

/// The program, built once for all tests; nothing, and a word about it, on a machine that cannot.
pub(crate) async fn program() -> Option<&'static Path> {
    static PROGRAM: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    PROGRAM.get_or_init(build).await.as_deref()
}

/// A program that does not compile fails the test.
async fn build() -> Option<PathBuf> {
    // Downloads what it is made of, and nothing that is for the tests of that.
    let why = match go(&["list", "-deps", "."], DOWNLOAD).await {
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.trim().lines().last().unwrap_or_default();
            Some(format!("its Go modules could not be had: {last}"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Some("there is no `go` on the PATH".to_owned())
        }
        Err(_) => Some(format!(
            "its Go modules could not be had within {DOWNLOAD:?}"
        )),
    };
    if let Some(why) = why {
        // Past the test harness, which shows nothing of a test that passes.
        writeln!(io::stderr(), "SKIPPED a real collector: {why}").expect("standard error is open");
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = folder.join("collector");
    // Another run of these tests may have it running: the file is replaced as a whole.
    let fresh = folder.join(format!("collector-{}", std::process::id()));
    let path = fresh.display().to_string();
    let built = go(&["build", "-buildvcs=false", "-o", &path], BUILD).await;
    let built = built.expect("the collector must be built in time");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(
        built.status.success(),
        "the collector must compile:\n{said}"
    );
    std::fs::rename(&fresh, &program).unwrap();
    Some(program)
}

/// Runs the go command in the module's folder; it is killed when the time is over.
async fn go(arguments: &[&str], within: Duration) -> io::Result<Output> {
    let mut command = Command::new("go");
    command.args(arguments).current_dir(MODULE);
    tokio::time::timeout(within, command.kill_on_drop(true).output()).await?
}

// === impl Otelcol ===

impl Otelcol {
    /// One that writes what it gets into files.
    pub(crate) async fn to_files(program: &Path) -> Self {
        Self::start(program, &Path::new(MODULE).join("to-files.yaml"), &[]).await
    }

    /// One of this configuration, but for these of its keys.
    pub(crate) async fn start(program: &Path, config: &Path, keys: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(program)
            .arg("--config")
            .arg(config)
            .args(keys.iter().flat_map(|key| ["--set", key]))
            .env_clear()
            .env("FOLDER", folder.path())
            .env("JAEGER", "localhost")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let nobody = ([0, 0, 0, 0], 0).into();
        let mut collector = Self {
            grpc: nobody,
            http: nobody,
            child,
            log,
            folder,
        };
        soon("the start of the collector", collector.read_addresses()).await;
        collector
    }

    /// Reads the log until it says that it is ready.
    async fn read_addresses(&mut self) {
        let mut said = String::new();
        loop {
            let line = self.log.next_line().await.unwrap();
            let line = line.unwrap_or_else(|| panic!("the collector must start:\n{said}"));
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            let endpoint = || entry["endpoint"].as_str().unwrap().parse().unwrap();
            match entry["msg"].as_str() {
                Some("Starting GRPC server") => self.grpc = endpoint(),
                Some("Starting HTTP server") => self.http = endpoint(),
                Some(ready) if ready.starts_with("Everything is ready") => return,
                _ => {}
            }
            said.extend([line.as_str(), "\n"]);
        }
    }

    /// Stops it, whereupon it passes everything on, and waits for its end.
    pub(crate) async fn stop(&mut self) {
        let id = self.child.id().unwrap().to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(status.unwrap().success());
        let status = soon("the end of the collector", self.child.wait()).await;
        assert!(status.unwrap().success(), "the collector must end cleanly");
        while let Some(line) = self.log.next_line().await.unwrap() {
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            assert_ne!(entry["level"], "error", "nothing must be lost: {line}");
        }
    }

    /// All spans that it was sent, once it has stopped.
    pub(crate) async fn spans(&mut self) -> Vec<Seen> {
        self.stop().await;
        let messages: Vec<ExportTraceServiceRequest> = self.messages("traces");
        messages.into_iter().flat_map(Seen::all).collect()
    }

    /// All log records and metrics, in the same way.
    pub(crate) async fn logs_and_metrics(&mut self) -> (Vec<Logged>, Vec<Pushed>) {
        self.stop().await;
        let logs: Vec<ExportLogsServiceRequest> = self.messages("logs");
        let metrics: Vec<ExportMetricsServiceRequest> = self.messages("metrics");
        (
            logs.into_iter().flat_map(Logged::all).collect(),
            metrics.into_iter().flat_map(Pushed::all).collect(),
        )
    }

    /// What is in a file. It writes `TracesData` and its like, which are the same on the wire.
    fn messages<M: prost::Message + Default>(&self, signal: &str) -> Vec<M> {
        let mut rest = &std::fs::read(self.folder.path().join(signal)).unwrap()[..];
        let mut messages = Vec::new();
        while let Some((length, message)) = rest.split_first_chunk() {
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap();
            let (message, next) = message.split_at(length);
            messages.push(M::decode(message).unwrap());
            rest = next;
        }
        messages
    }
}
