//! Trouble on purpose in one of three real replicas, and what the balancing client makes of it.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use service_runtime::settings::CredentialUrl;
use service_runtime::stop::{self, Stopper};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use user_client::connect::{Channel, State, connect};
use user_client::load::{self, Limit, ListCall, Plan, Report, Silent};
use user_client::settings::Settings;
use user_server::Server;

/// The bound of every wait: far more than anything here needs.
pub(crate) const SOON: Duration = Duration::from_mins(1);

/// A replica that runs in this process.
pub(crate) struct Replica {
    pub(crate) grpc: SocketAddr,
    ops: SocketAddr,
    _stopper: Stopper,
    _task: tokio_util::task::AbortOnDropHandle<service_runtime::drain::Outcome>,
}

// === impl Replica ===

impl Replica {
    async fn start(name: &str) -> Self {
        Self::start_with(name, |_| {}).await
    }

    pub(crate) async fn start_with(
        name: &str,
        change: impl FnOnce(&mut user_server::settings::Settings),
    ) -> Self {
        let mut settings = user_server::settings::Settings::default();
        settings.server.address = ([127, 0, 0, 1], 0).into();
        settings.ops.address = ([127, 0, 0, 1], 0).into();
        name.clone_into(&mut settings.instance.name);
        settings.store.url = CredentialUrl::parse("sqlite::memory:").unwrap();
        settings.faults.enabled = true;
        change(&mut settings);
        let server = Server::build(settings).await.unwrap();
        let (stopper, stop) = stop::channel();
        Self {
            grpc: server.grpc_address(),
            ops: server.ops_address(),
            _stopper: stopper,
            _task: tokio_util::task::AbortOnDropHandle::new(tokio::spawn(server.serve(stop))),
        }
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.ops).await.unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }

    async fn set(&self, fault: &str) {
        self.ask("PUT", "/faults/ListUsers", fault).await;
    }

    /// How many calls have met a fault, whatever it was.
    async fn injected(&self) -> u64 {
        let text = self.ask("GET", "/metrics", "").await;
        let counts = text
            .lines()
            .filter(|it| it.starts_with("faults_injected_total{"));
        counts
            .map(|it| it.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    }
}

async fn three() -> [Replica; 3] {
    [
        Replica::start("replica-1").await,
        Replica::start("replica-2").await,
        Replica::start("replica-3").await,
    ]
}

/// A channel to all of them, READY on each, with a service config.
async fn channel(replicas: &[Replica; 3], service_config: &str) -> Channel {
    let addresses = replicas.iter().map(|it| it.grpc.to_string());
    let mut settings = Settings {
        target: format!("ipv4:{}", addresses.collect::<Vec<_>>().join(",")),
        ..Settings::default()
    };
    service_config.clone_into(&mut settings.channel.service_config);
    let channel = connect(&settings).await.unwrap();
    until("three connections", || {
        let ready = channel.stats().subchannels;
        ready.iter().filter(|it| it.state == State::Ready).count() == 3
    })
    .await;
    channel
}

pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let holding = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    let held = tokio::time::timeout(SOON, holding).await;
    held.unwrap_or_else(|_| panic!("{what} must come"));
}

pub(crate) async fn calls(channel: &Channel, number: u64) -> Report {
    let plan = Plan {
        // One: a retry then goes to the next replica in the rotation, and none comes between.
        workers: NonZeroUsize::MIN,
        limit: Limit::Calls(number),
        rate: None,
        grace: SOON,
    };
    let call = ListCall::new(channel.clone(), SOON);
    load::run(&plan, call, &mut Silent, &CancellationToken::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_with_a_fault_is_ejected_and_comes_back() {
    const EJECTING: &str = r#"{
        "methodConfig": [{"name": [{}], "waitForReady": true}],
        "loadBalancingConfig": [{"outlier_detection_experimental": {
            "interval": "0.2s",
            "baseEjectionTime": "1s",
            "maxEjectionPercent": 50,
            "failurePercentageEjection": {"threshold": 50, "minimumHosts": 3, "requestVolume": 5},
            "childPolicy": [{"round_robin": {}}]
        }}]
    }"#;
    let replicas = three().await;
    let channel = channel(&replicas, EJECTING).await;
    let faulted = replicas[1].grpc.to_string();
    let ejected = |channel: &Channel| {
        let subchannels = channel.stats().subchannels;
        let found = subchannels
            .iter()
            .find(|it| it.address.to_string() == faulted);
        found.is_some_and(|it| it.ejected)
    };
    // A code that nobody retries, so that it is seen.
    replicas[1].set(r#"{"code": "INTERNAL"}"#).await;
    let ejecting = async {
        while !ejected(&channel) {
            calls(&channel, 30).await;
        }
    };
    tokio::time::timeout(SOON, ejecting)
        .await
        .expect("the replica must be ejected");
    assert!(replicas[1].injected().await > 0);

    replicas[1].ask("DELETE", "/faults", "").await;
    let returning = async {
        while ejected(&channel) {
            calls(&channel, 30).await;
        }
        while calls(&channel, 30).await.replicas.len() < 3 {}
    };
    tokio::time::timeout(SOON, returning)
        .await
        .expect("the replica must come back");
    let report = calls(&channel, 300).await;
    assert_eq!(report.failed(), 0, "it is well again: {report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_hide_a_fault_for_as_long_as_their_budget_lasts() {
    // A retry for each of three calls, which two successes for each failure pay.
    const PLENTY: &str = r#"{
        "methodConfig": [{"name": [{}], "retryPolicy": {
            "maxAttempts": 5, "initialBackoff": "0.001s", "maxBackoff": "0.001s", "backoffMultiplier": 1,
            "retryableStatusCodes": ["UNAVAILABLE"]
        }}],
        "retryThrottling": {"maxTokens": 1000, "tokenRatio": 1}
    }"#;
    let replicas = three().await;
    replicas[2].set(r#"{"code": "UNAVAILABLE"}"#).await;
    let patient = channel(&replicas, PLENTY).await;
    let report = calls(&patient, 300).await;
    assert_eq!(
        report.failed(),
        0,
        "every failure is retried elsewhere: {report:?}"
    );
    assert!(
        replicas[2].injected().await >= 100,
        "the fault was met all the same"
    );

    // A failure takes one of four tokens and a success gives a thousandth: the third failure and all
    // after it are told.
    let scarce = PLENTY.replace("1000, \"tokenRatio\": 1", "4, \"tokenRatio\": 0.001");
    let throttled = channel(&replicas, &scarce).await;
    let report = calls(&throttled, 300).await;
    assert!(
        (90..=100).contains(&report.failed()),
        "without a budget about a third of the calls fails: {report:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_stream_is_a_failure_that_is_not_retried() {
    let replicas = three().await;
    let channel = channel(&replicas, "").await;
    replicas[0].set(r#"{"abort": true}"#).await;
    let report = calls(&channel, 300).await;
    assert_eq!(report.failed(), 100, "one replica of three: {report:?}");
    let codes: Vec<_> = report.failures.values().map(|it| it.code).collect();
    assert_eq!(
        codes,
        [tonic::Code::Internal],
        "RST_STREAM with INTERNAL_ERROR"
    );
}
