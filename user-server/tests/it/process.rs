//! The real binary under signals.

#![cfg(unix)]

use std::net::SocketAddr;
use std::process::Stdio;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};
use tonic::transport::Channel;
use tonic::{Response, Status};
use user_api::v1;
use user_api::v1::user_service_client::UserServiceClient;

use crate::running::{channel, creation, soon};

/// A child process, killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    log: Lines<BufReader<ChildStderr>>,
    pub(crate) grpc: SocketAddr,
    pub(crate) ops: SocketAddr,
    folder: tempfile::TempDir,
}

/// A write that waits for another process's, and thereby a slow call.
struct SlowCall {
    lock: SqliteConnection,
    call: tokio::task::JoinHandle<Result<Response<v1::CreateUserResponse>, Status>>,
}

// === impl Process ===

impl Process {
    pub(crate) async fn start(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("x.sqlite").display());
        Self::spawn(&url, folder, settings).await
    }

    /// On a database that is there already.
    pub(crate) async fn on(url: &str, settings: &[&str]) -> Self {
        Self::spawn(url, tempfile::tempdir().unwrap(), settings).await
    }

    async fn spawn(url: &str, folder: tempfile::TempDir, settings: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_user-server"));
        command
            .args(["--address", "127.0.0.1:0", "--ops-address", "127.0.0.1:0"])
            .args(["--store-url", url, "--exit-with-stdin"])
            .args(["--set", "log.format=json", "--set", "drain.notice=0s"])
            .args(["--set", "store.busy_timeout=1h"])
            .args(settings)
            .env_clear()
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut process = Self {
            child,
            input,
            log,
            grpc: ([0, 0, 0, 0], 0).into(),
            ops: ([0, 0, 0, 0], 0).into(),
            folder,
        };
        let line = process.log_line("serving user.v1.UserService").await;
        process.grpc = line["grpc"].as_str().unwrap().parse().unwrap();
        process.ops = line["ops"].as_str().unwrap().parse().unwrap();
        assert_eq!(line["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(line["store"], url);
        assert_eq!(line["transport"], "plaintext");
        process
    }

    /// The next line of the log with this message.
    pub(crate) async fn log_line(&mut self, message: &str) -> serde_json::Value {
        soon(message, async {
            loop {
                let line = self.log.next_line().await.unwrap();
                let line = line.unwrap_or_else(|| panic!("{message:?} must be logged"));
                let line: serde_json::Value = serde_json::from_str(&line).unwrap();
                if line["message"] == message {
                    break line;
                }
            }
        })
        .await
    }

    /// The rest of the log, once the process has ended.
    pub(crate) async fn rest_of_log(&mut self) -> Vec<serde_json::Value> {
        let mut rest = Vec::new();
        while let Some(line) = soon("the next line", self.log.next_line()).await.unwrap() {
            rest.push(serde_json::from_str(&line).unwrap());
        }
        rest
    }

    pub(crate) async fn client(&self) -> UserServiceClient<Channel> {
        UserServiceClient::new(channel(self.grpc).await)
    }

    /// A call that is in flight until [`SlowCall::finish`].
    async fn slow_call(&self) -> SlowCall {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join("x.sqlite"));
        let mut lock = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut lock)
            .await
            .unwrap();
        let mut client = self.client().await;
        // The connection has served a call, so that the next one is on its way when it is polled.
        let request = v1::ListUsersRequest::default();
        client.list_users(request).await.unwrap();
        let mut later = client.clone();
        let (sent, was_sent) = tokio::sync::oneshot::channel();
        let call = tokio::spawn(async move {
            let mut call = Box::pin(client.create_user(creation("Ada", "ada@example.com")));
            let early = futures_util::poll!(&mut call);
            assert!(early.is_pending(), "the lock must hold the call");
            let _ = sent.send(());
            call.await
        });
        was_sent.await.unwrap();
        // Calls on one connection arrive in their order: once this one was answered, that one is there.
        later
            .list_users(v1::ListUsersRequest::default())
            .await
            .unwrap();
        SlowCall { lock, call }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(crate) async fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let status = Command::new("kill").args([name, &id]).status().await;
        assert!(status.unwrap().success());
    }

    pub(crate) async fn exit_code(mut self) -> Option<i32> {
        soon("the exit", self.child.wait()).await.unwrap().code()
    }
}

// === impl SlowCall ===

impl SlowCall {
    async fn finish(mut self) -> Result<Response<v1::CreateUserResponse>, Status> {
        sqlx::query("COMMIT").execute(&mut self.lock).await.unwrap();
        soon("the answer", self.call).await.unwrap()
    }
}

#[tokio::test]
async fn sigterm_fails_no_call_in_flight() {
    let mut process = Process::start(&[]).await;
    let call = process.slow_call().await;
    process.signal("-TERM").await;
    process.log_line("stopping").await;
    soon("the listener's end", async {
        while tokio::net::TcpStream::connect(process.grpc).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    call.finish()
        .await
        .expect("the call in flight must succeed");
    process.log_line("stopped; no call was cut off").await;
    assert_eq!(process.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_deadline_that_cuts_calls_off_is_a_failure() {
    let mut process = Process::start(&["--set", "drain.deadline=100ms"]).await;
    let call = process.slow_call().await;
    process.signal("-TERM").await;
    process.log_line("stopping").await;
    let message = "the drain's deadline cut calls off; raise drain.deadline, or make calls shorter";
    let line = process.log_line(message).await;
    assert_eq!(line["calls"], 1);
    soon("the cut", call.call)
        .await
        .unwrap()
        .expect_err("the call must be cut off");
    assert_eq!(process.exit_code().await, Some(1));
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let mut process = Process::start(&["--set", "drain.deadline=1h"]).await;
    let call = process.slow_call().await;
    process.signal("-TERM").await;
    process.log_line("stopping").await;
    process.signal("-INT").await;
    process.log_line("stopped at once").await;
    soon("the cut", call.call)
        .await
        .unwrap()
        .expect_err("the call must be cut off");
    assert_eq!(process.exit_code().await, Some(1));
}

#[tokio::test]
async fn the_end_of_standard_input_drains_too() {
    let mut process = Process::start(&[]).await;
    let call = process.slow_call().await;
    drop(process.input.take());
    let line = process.log_line("stopping").await;
    assert_eq!(line["cause"], "end of standard input");
    call.finish()
        .await
        .expect("the call in flight must succeed");
    assert_eq!(process.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_hangup_where_no_file_is_followed_is_told_of_and_ends_nothing() {
    let mut process = Process::start(&[]).await;
    let nothing = "SIGHUP: nothing to read again, since no setting names a file that is followed";
    for _ in 0..2 {
        process.signal("-HUP").await;
        process.log_line(nothing).await;
    }
    let mut client = process.client().await;
    let ada = creation("Ada", "ada@example.com");
    client.create_user(ada).await.expect("it must still serve");
    process.signal("-TERM").await;
    assert_eq!(process.exit_code().await, Some(0));
}
