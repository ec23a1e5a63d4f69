//! The dashboard, the alerts and the document ask for what a server and a client really emit: three replicas
//! and a client run, calls of many kinds are made, both are scraped, and every query is parsed and looked up.

mod promql;
mod scrape;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use service_runtime::telemetry::traces::Traces;
use service_runtime::telemetry::{self, Telemetry};
use service_runtime::tls::server::Mode;
use user_client::connect::connect_observed;
use user_client::settings::Settings;

use self::promql::Queries;
use self::scrape::Scrape;
use crate::certs::certs;
use crate::faults::{Replica, SOON, calls, until};

const NAME: &str = "user-server.default.svc.cluster.local";

/// What this test does not set off, although a client has it.
const NOT_DRIVEN: [&str; 4] = [
    "grpc_client_call_transparent_retries",
    "grpc_client_call_hedges",
    "grpc_lb_outlier_detection_ejections_unenforced_total",
    "grpc_lb_wrr_endpoint_weights",
];

const SERVICE_CONFIG: &str = r#"{
    "methodConfig": [{"name": [{}], "retryPolicy": {
        "maxAttempts": 3, "initialBackoff": "0.001s", "maxBackoff": "0.001s", "backoffMultiplier": 1,
        "retryableStatusCodes": ["UNAVAILABLE"]
    }}],
    "loadBalancingConfig": [{"outlier_detection_experimental": {
        "interval": "0.1s", "baseEjectionTime": "1s", "maxEjectionPercent": 50,
        "failurePercentageEjection": {"threshold": 30, "minimumHosts": 2, "requestVolume": 3},
        "childPolicy": [{"round_robin": {}}]
    }}]
}"#;

async fn replica(name: &str, dir: &Path) -> Replica {
    Replica::start_with(name, |settings| {
        settings.server.tls.mode = Mode::Mtls;
        settings.server.tls.certificate = dir.join("server.crt");
        settings.server.tls.private_key = dir.join("server.key");
        settings.server.tls.client_ca = dir.join("ca.crt");
        settings.limits.max_deadline = Some(Duration::from_millis(200));
    })
    .await
}

/// What the replicas show, and what the client shows.
async fn scrapes(dir: &Path) -> (Scrape, Scrape) {
    let replicas = [
        replica("replica-1", dir).await,
        replica("replica-2", dir).await,
        replica("replica-3", dir).await,
    ];
    // Nobody listens at the last one.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut addresses: Vec<_> = replicas.iter().map(|it| it.grpc.to_string()).collect();
    addresses.push(nobody.local_addr().unwrap().to_string());
    drop(nobody);
    let mut settings = Settings {
        target: format!("ipv4:{}", addresses.join(",")),
        ..Settings::default()
    };
    settings.tls.enabled = true;
    settings.tls.ca = dir.join("ca.crt");
    settings.tls.certificate = dir.join("client.crt");
    settings.tls.private_key = dir.join("client.key");
    NAME.clone_into(&mut settings.tls.server_name);
    SERVICE_CONFIG.clone_into(&mut settings.channel.service_config);
    let service = telemetry::Service {
        name: "user-client",
        version: "0.1.0",
        instance: "client-1".to_owned(),
    };
    let telemetry = Telemetry::start(&settings.telemetry, &service).unwrap();
    let traces = Traces::start(&settings.telemetry, &service, Some(&telemetry.meter())).unwrap();
    let channel = connect_observed(&settings, &traces, Some(&telemetry)).await;
    let channel = channel.unwrap();
    let shows = |name: &str| telemetry.text().unwrap().contains(name);
    let list = "/faults/ListUsers";

    calls(&channel, 30).await;
    // A retry, and then a limit, a failure and an ejection.
    replicas[0]
        .ask("PUT", list, r#"{"code": "UNAVAILABLE"}"#)
        .await;
    calls(&channel, 30).await;
    replicas[0].ask("PUT", list, r#"{"delay": "1m"}"#).await;
    calls(&channel, 3).await;
    replicas[0]
        .ask("PUT", list, r#"{"code": "INTERNAL"}"#)
        .await;
    let ejecting = async {
        while !shows("ejections_enforced_total{") {
            calls(&channel, 30).await;
        }
    };
    tokio::time::timeout(SOON, ejecting)
        .await
        .expect("an ejection must come");

    let mut servers = Scrape::default();
    for replica in &replicas {
        servers.read(&replica.ask("GET", "/metrics", "").await);
    }
    drop(replicas);
    until("the loss of a connection", || {
        shows("disconnections_total{")
    })
    .await;
    let mut client = Scrape::default();
    client.read(&telemetry.text().unwrap());
    (servers, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_asks_for_what_a_server_and_a_client_emit() {
    let folder = tempfile::tempdir().unwrap();
    assert!(certs(folder.path(), &[]).status.success());
    let (servers, client) = scrapes(folder.path()).await;

    let document = scrape::document("## The client's");
    for (name, (kind, labels)) in &document {
        match client.family(name) {
            Some(found) => assert_eq!(&found, &(kind.clone(), labels.clone()), "{name}"),
            None => assert!(
                NOT_DRIVEN.contains(&name.as_str()),
                "no client shows {name}"
            ),
        }
    }
    let shown = client.families().filter(|it| it.starts_with("grpc_"));
    let known: BTreeSet<&str> = document.keys().map(String::as_str).collect();
    let unknown: Vec<_> = shown.filter(|it| !known.contains(it)).collect();
    assert!(
        unknown.is_empty(),
        "docs/metrics.md does not name {unknown:?}"
    );

    let mut known = servers;
    known.extend(client);
    let queries = Queries::of_the_repository();
    assert!(queries.len() > 40, "they are found: {}", queries.len());
    let wrong = queries.unknown(&known);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
