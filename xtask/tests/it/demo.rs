//! `xtask demo` as a process: its verdict, its refusals, and what it leaves behind (nothing).

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader, Lines};
use tokio::process::{Child, Command};

/// Longer than the demo takes on a loaded machine.
const BOUND: Duration = Duration::from_mins(2);

const REPLICAS: [Ipv4Addr; 3] = [
    Ipv4Addr::LOCALHOST,
    Ipv4Addr::new(127, 0, 0, 2),
    Ipv4Addr::new(127, 0, 0, 3),
];

/// A port that is free on all three addresses.
fn free_port() -> u16 {
    for _ in 0..100 {
        let first = TcpListener::bind((REPLICAS[0], 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        if REPLICAS[1..]
            .iter()
            .all(|ip| TcpListener::bind((*ip, port)).is_ok())
        {
            return port;
        }
    }
    panic!("there must be a free port");
}

/// The demo, with its temporary files in `directory`.
fn demo(directory: &Path, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["demo", "--"])
        .args(args)
        .env("TMPDIR", directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn line_with<R: AsyncRead + Unpin>(lines: &mut Lines<BufReader<R>>, text: &str) {
    let found = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains(text) {
                return;
            }
        }
        panic!("the demo ended before it said {text:?}");
    };
    tokio::time::timeout(BOUND, found)
        .await
        .expect("the demo must go on");
}

/// Waits until nobody listens any more.
async fn nobody_listens(port: u16) {
    let is_free = |ip: &Ipv4Addr| {
        std::net::TcpStream::connect_timeout(&SocketAddr::from((*ip, port)), Duration::from_secs(1))
            .is_err()
    };
    let released = async {
        while !REPLICAS.iter().all(is_free) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(BOUND, released)
        .await
        .expect("no replica may outlive the demo");
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}

#[tokio::test]
async fn every_claim_of_a_small_demo_holds_and_nothing_is_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let child = demo(
        directory.path(),
        &["--calls", "3001", "--port", &port.to_string()],
    );
    let output = tokio::time::timeout(BOUND, child.wait_with_output())
        .await
        .expect("the demo must end")
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "every claim must hold:\n{stdout}\n{stderr}"
    );
    for claim in [
        "✓ One connection: 3,001 of 3,001 calls on one replica",
        "✓ Even to one call: 3,001 calls, 1,000 to 1,001 on each of 3 replicas",
        "✓ A replica was killed (SIGKILL) and came back: 0 of",
        "✓ A replica was drained (SIGTERM) and came back: 0 of",
        "✓ Even again: 300 calls, 100 on each of 3 replicas",
    ] {
        assert!(stdout.contains(claim), "{claim:?} is missing:\n{stdout}");
    }
    assert!(!stdout.contains('✗'), "{stdout}");
    assert!(
        !stdout.contains('\u{1b}'),
        "no colours where there is no terminal:\n{stdout}"
    );
    for line in stdout.lines() {
        assert!(
            line.chars().count() <= 80,
            "too wide for a terminal: {line:?}"
        );
    }
    nobody_listens(port).await;
    assert!(
        is_empty(directory.path()),
        "the database and the logs must be removed"
    );
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_way_to_another_one() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let _taken = TcpListener::bind((REPLICAS[1], port)).unwrap();
    let child = demo(directory.path(), &["--port", &port.to_string()]);
    let output = tokio::time::timeout(BOUND, child.wait_with_output())
        .await
        .unwrap()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains(&format!("127.0.0.2:{port} is taken")),
        "{stderr}"
    );
    assert!(stderr.contains("cargo demo --port"), "{stderr}");
    assert!(
        is_empty(directory.path()),
        "a demo that cannot start leaves nothing behind"
    );
}

#[tokio::test]
async fn an_interrupt_in_the_middle_ends_everything_with_130() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut child = demo(
        directory.path(),
        &["--calls", "100000000", "--port", &port.to_string()],
    );
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    line_with(&mut lines, "Act 1").await;
    let pid = rustix::process::Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let status = tokio::time::timeout(BOUND, child.wait())
        .await
        .expect("an interrupt must end the demo")
        .unwrap();
    assert_eq!(
        status.code(),
        Some(130),
        "as every program that Ctrl-C ended"
    );
    nobody_listens(port).await;
    assert!(is_empty(directory.path()), "nothing may be left behind");
}

#[tokio::test]
async fn replicas_do_not_outlive_a_demo_that_was_killed() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut child = demo(
        directory.path(),
        &["--calls", "100000000", "--port", &port.to_string()],
    );
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    line_with(&mut lines, "Act 1").await;
    child.kill().await.unwrap();
    nobody_listens(port).await;
}
