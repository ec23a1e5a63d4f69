//! What is left to a service mesh, and what happens when somebody forgets that it is there.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::thread;

use crate::program::{command, end, run};
use crate::replica::{Fault, Replica};

#[tokio::test(flavor = "multi_thread")]
async fn in_a_mesh_all_calls_go_to_the_first_address() {
    let (a, b) = (
        Replica::start("a", Fault::None),
        Replica::start("b", Fault::None),
    );
    // An address list is no Service, so that it takes a name to get two addresses past the settings;
    // the channel's own tests show which address is the first.
    let both = format!("ipv4:{},{}", a.address, b.address);
    let refused = run(&["list", "--mesh", "--target", &both]).await;
    assert_eq!(refused.code, 64, "{refused:?}");
    let part = "target (flag --target): expected the name and port of a Service with a cluster IP";
    assert!(refused.stderr.contains(part), "{refused:?}");

    let target = a.target();
    let one = ["--mesh", "--target", &target];
    let ended = run(&[&["load", "--calls", "100"][..], &one].concat()).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(a.calls.load(Ordering::Relaxed) >= 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_mesh_no_call_is_retried() {
    for (mesh, attempts) in [(&["--mesh"][..], 1), (&[], 4)] {
        let replica = Replica::start("a", Fault::None);
        replica.drain();
        let target = replica.target();
        let list = [&["list", "--target", &target], mesh].concat();
        let ended = run(&list).await;
        assert_eq!(ended.code, 69, "{ended:?}");
        let seen = replica.calls.load(Ordering::Relaxed);
        assert_eq!(seen, attempts, "{mesh:?}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_is_used_while_the_target_has_failed() {
    let replica = Replica::start("b", Fault::None);
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let second = replica.target();
    let targets = [
        "--target",
        &nobody,
        "--fallback",
        &nobody,
        "--fallback",
        &second,
    ];
    let list = [&["list"], &targets[..]].concat();
    let ended = run(&list).await;
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[cfg(feature = "kubernetes")]
#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_kubernetes_is_a_target() {
    // Outside of a cluster it cannot be found; that it is looked for is enough.
    let ended = run(&["list", "--timeout", "1s", "--target", "k8s:///s.n:grpc"]).await;
    assert_ne!(ended.code, 64, "{ended:?}");
}

/// Takes the port of Istio's sidecar, which is the same on every machine.
#[tokio::test(flavor = "multi_thread")]
async fn who_balances_beside_a_sidecar_is_warned_once() {
    let Ok(sidecar) = TcpListener::bind("127.0.0.1:15021") else {
        eprintln!("SKIPPED: the port 15021 is taken on this machine");
        return;
    };
    let (found, looked) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for stream in sidecar.incoming().flatten() {
            let mut stream = stream;
            let _length = stream.read(&mut [0; 1024]);
            let _written = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            let _closed = found.send(());
        }
    });
    let replica = Replica::start("a", Fault::None);
    let target = replica.target();
    let load = ["load", "--duration", "2s", "--rate", "50"];

    let balancing = command(&[&load[..], &["--target", &target]].concat(), &[]);
    let ended = end({ balancing }.spawn().unwrap()).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(ended.stderr.matches("a sidecar").count(), 1, "{ended:?}");
    for part in ["Istio", "mesh = true"] {
        assert!(ended.stderr.contains(part), "{part:?}: {ended:?}");
    }

    while looked.try_recv().is_ok() {}
    let leaving_it = command(&[&load[..], &["--mesh", "--target", &target]].concat(), &[]);
    let ended = end({ leaving_it }.spawn().unwrap()).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(!ended.stderr.contains("sidecar"), "{ended:?}");
    assert!(
        looked.try_recv().is_err(),
        "who leaves balancing to a mesh has no need to look for it"
    );
}
