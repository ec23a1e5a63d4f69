//! `fault` against real ops listeners, with and without leave to set faults.

use std::net::SocketAddr;
use std::time::Duration;

use service_runtime::faults::http::{PATH, routes};
use service_runtime::faults::{Config, Faults};
use service_runtime::health::Reporter;
use service_runtime::methods::Method;
use service_runtime::ops::{self, Running, Version};
use service_runtime::readiness::{self, Readiness};
use service_runtime::telemetry::{Config as TelemetryConfig, Service, Telemetry};

use crate::dns::Dns;
use crate::program::{Ended, run};

/// An ops listener of a replica.
struct Replica {
    ops: SocketAddr,
    faults: Faults,
    _running: Running,
}

// === impl Replica ===

impl Replica {
    fn start(address: SocketAddr, name: &str, enabled: bool) -> Self {
        let methods = Method::of(user_api::FILE_DESCRIPTOR_SET).unwrap();
        let faults = Config { enabled }.start(&methods);
        let bound = ops::Config { address }.bind().unwrap();
        let often = readiness::Config {
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
        };
        let (readiness, _) = Readiness::start(&often, vec![], &Reporter::new([]));
        let service = Service {
            name: "replica",
            version: "1.2.3",
            instance: name.to_owned(),
        };
        let version = Version {
            name: service.name,
            version: service.version,
        };
        let telemetry = Telemetry::start(&TelemetryConfig::default(), &service).unwrap();
        Self {
            ops: bound.local_address(),
            _running: bound
                .also(PATH, routes(faults.clone(), name))
                .serve(readiness, telemetry, version),
            faults,
        }
    }

    fn on_a_free_port(name: &str) -> Self {
        Self::start(([127, 0, 0, 1], 0).into(), name, true)
    }
}

async fn fault(args: &[&str]) -> Ended {
    run(&[&["fault"], args].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_replica_of_the_target_gets_the_fault_and_its_answer_is_shown() {
    let one = Replica::on_a_free_port("replica-1");
    let port = one.ops.port();
    let two = Replica::start(([127, 0, 0, 2], port).into(), "replica-2", true);
    let dns = Dns::start().await;
    dns.name(
        "headless.test.",
        &["127.0.0.1".parse().unwrap(), "127.0.0.2".parse().unwrap()],
    );
    let target = dns.target("headless.test.", 50_051);
    let port = port.to_string();
    let there = ["--target", &target, "--ops-port", &port];
    let set = [
        "set", "--method", "GetUser", "--delay", "200ms", "--ratio", "0.1", "--for", "5m",
    ];
    let ended = fault(&[&set[..], &there[..]].concat()).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    for part in [
        "replica-1",
        "replica-2",
        "0.1",
        "200ms",
        "300s",
        "set on 2 of 2 ops listeners",
    ] {
        assert!(
            ended.stdout.contains(part),
            "{part:?} in:\n{}",
            ended.stdout
        );
    }
    for replica in [&one, &two] {
        let set = replica.faults.list().unwrap();
        assert_eq!(set.len(), 1);
        assert_eq!(set[0].scope.to_string(), "user.v1.UserService/GetUser");
        assert_eq!(set[0].fault.delay, Duration::from_millis(200));
        assert_eq!(set[0].fault.lasts, Some(Duration::from_mins(5)));
    }

    let ended = fault(&[&["list", "--output", "json"], &there[..]].concat()).await;
    let json = ended.json();
    assert_eq!(json["replicas"][1]["replica"], "replica-2");
    let shown = &json["replicas"][1]["faults"][0];
    assert_eq!(shown["method"], "user.v1.UserService/GetUser");
    assert_eq!(shown["fault"]["delay"], "200ms");

    for _ in 0..2 {
        let ended = fault(&[&["clear", "--method", "GetUser"], &there[..]].concat()).await;
        assert_eq!(ended.code, 0, "what is not set is ended already: {ended:?}");
    }
    let ended = fault(&[&["list"], &there[..]].concat()).await;
    assert!(ended.stdout.contains("(none)"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_cannot_be_asked_is_told_with_what_to_do() {
    let willing = Replica::on_a_free_port("replica-1");
    let unwilling = Replica::start(([127, 0, 0, 1], 0).into(), "replica-2", false);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = free.local_addr().unwrap();
    drop(free);
    let [willing_at, unwilling_at, nobody] =
        [willing.ops, unwilling.ops, nobody].map(|it| it.to_string());
    let set = ["set", "--method", "*", "--code", "unavailable"];
    let there = [
        "--ops-address",
        &willing_at,
        "--ops-address",
        &unwilling_at,
        "--ops-address",
        &nobody,
    ];
    let ended = fault(&[&set[..], &there[..]].concat()).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    for part in [
        "set on 1 of 3 ops listeners",
        "faults.enabled",
        "USER_SERVER__FAULTS__ENABLED=true",
        "nobody answers: Connection refused",
        "kubectl port-forward",
    ] {
        assert!(
            ended.stdout.contains(part),
            "{part:?} in:\n{}",
            ended.stdout
        );
    }
    assert_eq!(
        willing.faults.list().unwrap().len(),
        1,
        "the others do not matter"
    );

    let wrong = [
        "set",
        "--method",
        "GatUser",
        "--abort",
        "--ops-address",
        &willing_at,
    ];
    let ended = fault(&wrong).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(
        ended.stdout.contains("did you mean \"GetUser\"?"),
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_fault_is_refused_before_anybody_is_asked() {
    for (args, part) in [
        (&["--ratio", "2", "--abort"][..], "at most 1"),
        (&["--ratio", "NaN", "--abort"], "at most 1"),
        (&["--code", "TEAPOT"], "a status code but OK"),
        (&["--code", "INTERNAL", "--abort"], "--abort"),
        (&["--delay", "200"], "a time with its unit"),
        (&["--delay", "5h"], "at most 1h"),
        (&["--abort", "--for", "0s"], "more than zero"),
        (&[], "--delay"),
    ] {
        let ended = fault(&[&["set", "--method", "*"], args].concat()).await;
        assert_eq!(ended.code, 64, "{args:?}: {ended:?}");
        assert!(
            ended.stderr.contains(part),
            "{args:?}: {part:?} in {}",
            ended.stderr
        );
    }
    let ended = fault(&["list", "--target", "unix:///run/grpc.sock"]).await;
    assert_eq!(ended.code, 64, "{ended:?}");
    assert!(ended.stderr.contains("--ops-address"), "{ended:?}");
}
