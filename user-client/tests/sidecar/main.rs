//! The program beside the sidecar of a mesh. These tests take the port that such a sidecar has, which
//! is the same on every machine, so that they have a process of their own: whatever runs beside them
//! would see the sidecar too.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "../it/program.rs"]
#[expect(
    dead_code,
    reason = "it is made for all tests, and these need a part of it"
)]
mod program;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread;

use self::program::{Ended, run};

/// Answers at the port of Istio's sidecar, and tells each time that it was asked.
fn sidecar() -> Option<mpsc::Receiver<()>> {
    let Ok(sidecar) = TcpListener::bind("127.0.0.1:15021") else {
        println!("SKIPPED: the port 15021 is taken on this machine");
        return None;
    };
    let (asked, looked) = mpsc::channel();
    thread::spawn(move || {
        for mut stream in sidecar.incoming().flatten() {
            let _length = stream.read(&mut [0; 1024]);
            let _written = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            let _nobody_cares = asked.send(());
        }
    });
    Some(looked)
}

/// Runs for a second against a port where nobody listens.
async fn load(more: &[&str]) -> Ended {
    let nobody: SocketAddr = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let target = format!("dns:///{nobody}");
    let args = [
        "load",
        "--duration",
        "1s",
        "--rate",
        "20",
        "--target",
        &target,
    ];
    run(&[&args, more].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_balances_beside_a_sidecar_is_told_once_and_by_the_doctor() {
    let Some(looked) = sidecar() else {
        return;
    };
    let ended = load(&["--wait-for-ready", "--timeout", "500ms"]).await;
    assert_eq!(ended.stderr.matches("a sidecar").count(), 1, "{ended:?}");
    for part in ["Istio", "mesh = true"] {
        assert!(ended.stderr.contains(part), "{part:?}: {ended:?}");
    }

    while looked.try_recv().is_ok() {}
    let ended = load(&["--wait-for-ready", "--timeout", "500ms", "--mesh"]).await;
    assert!(!ended.stderr.contains("sidecar"), "{ended:?}");
    assert!(
        looked.try_recv().is_err(),
        "who leaves balancing to a mesh has no need to look for it"
    );

    let ended = run(&["doctor", "ipv4:127.0.0.1:1"]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    let line = "✗ sidecar         Istio's answers at 127.0.0.1:15021, and this client balances";
    assert!(ended.stdout.contains(line), "{ended:?}");
    let ended = run(&["doctor", "--mesh", "127.0.0.1:1"]).await;
    assert!(ended.stdout.contains("✓ sidecar"), "{ended:?}");
}
