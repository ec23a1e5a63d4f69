//! What is left to a service mesh, and what happens when somebody forgets that it is there.

use std::net::TcpListener;
use std::sync::atomic::Ordering;

use crate::program::run;
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
