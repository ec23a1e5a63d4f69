//! What probes and operators see.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use service_runtime::health::{OVERALL, Reporter, ServingStatus};
use service_runtime::ops::{Config, Version};
use service_runtime::readiness::{self, Check, Probe, Readiness};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::scrape::telemetry;
use crate::subject::soon;

/// A dependency that the test breaks and mends.
#[derive(Clone, Debug, Default)]
struct Dependency {
    broken: Arc<AtomicBool>,
    hangs: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("broken on purpose")]
struct Broken;

// === impl Dependency ===

impl Check for Dependency {
    fn name(&self) -> &'static str {
        "dependency"
    }

    fn probe(&self) -> Probe<'_> {
        Box::pin(async {
            if self.hangs {
                std::future::pending::<()>().await;
            }
            if self.broken.load(Ordering::Relaxed) {
                return Err(Broken.into());
            }
            Ok(())
        })
    }
}

fn often() -> readiness::Config {
    readiness::Config {
        interval: Duration::from_millis(5),
        timeout: Duration::from_millis(50),
    }
}

fn bind() -> service_runtime::ops::Bound {
    let address = ([127, 0, 0, 1], 0).into();
    Config { address }.bind().unwrap()
}

const VERSION: Version = Version {
    name: "subject",
    version: "1.2.3",
};

/// The status code and the body.
pub(crate) async fn get(address: SocketAddr, path: &str, accept: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    soon("the response", socket.read_to_string(&mut response))
        .await
        .unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    (code, body.to_owned())
}

async fn until(address: SocketAddr, code: u16) -> String {
    soon("the change of /readyz", async {
        loop {
            let (now, body) = get(address, "/readyz", "*/*").await;
            if now == code {
                break body;
            }
        }
    })
    .await
}

#[tokio::test]
async fn readiness_follows_its_checks_and_health_follows_readiness() {
    let dependency = Dependency::default();
    let health = Reporter::new(["a.v1.A"]);
    let (readiness, _probes) =
        Readiness::start(&often(), vec![Box::new(dependency.clone())], &health);
    let bound = bind();
    let address = bound.local_address();
    let _ops = bound.serve(readiness.clone(), telemetry("replica-1"), VERSION);

    assert_eq!(until(address, 200).await, "dependency: ok\nready\n");
    assert_eq!(health.status("a.v1.A"), Some(ServingStatus::Serving));

    dependency.broken.store(true, Ordering::Relaxed);
    assert_eq!(until(address, 503).await, "dependency: failed\nnot ready\n");
    assert_eq!(health.status(OVERALL), Some(ServingStatus::NotServing));
    let (code, json) = get(address, "/readyz", "application/json").await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (code, &json["checks"]["dependency"]),
        (503, &"failed".into())
    );
    let (alive, _) = get(address, "/livez", "*/*").await;
    assert_eq!(alive, 200, "a restart would not mend a dependency");

    dependency.broken.store(false, Ordering::Relaxed);
    until(address, 200).await;
    assert_eq!(health.status(OVERALL), Some(ServingStatus::Serving));

    readiness.drain();
    let (code, body) = get(address, "/readyz", "*/*").await;
    assert_eq!((code, body.as_str()), (503, "dependency: ok\ndraining\n"));
}

#[tokio::test]
async fn what_is_shown_beside_the_checks_decides_nothing() {
    let health = Reporter::new([]);
    let (readiness, _probes) = Readiness::start(&often(), vec![], &health);
    let bound = bind();
    let address = bound.local_address();
    let _ops = bound.serve(readiness.clone(), telemetry("replica-1"), VERSION);
    let (_, plain) = get(address, "/readyz", "application/json").await;
    assert_eq!(plain, r#"{"ready":true,"draining":false,"checks":{}}"#);

    readiness.show("tls", || "newer files are not used: broken".to_owned());
    let (code, body) = get(address, "/readyz", "*/*").await;
    let expected = "tls: newer files are not used: broken\nready\n";
    assert_eq!((code, body.as_str()), (200, expected));
    let (code, json) = get(address, "/readyz", "application/json").await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(code, 200);
    assert_eq!(json["details"]["tls"], "newer files are not used: broken");
}

#[tokio::test]
async fn a_check_that_hangs_has_failed() {
    let dependency = Dependency {
        hangs: true,
        ..Dependency::default()
    };
    let health = Reporter::new([]);
    let (readiness, _probes) = Readiness::start(&often(), vec![Box::new(dependency)], &health);
    let bound = bind();
    let address = bound.local_address();
    let _ops = bound.serve(readiness, telemetry("replica-1"), VERSION);
    soon("the timeout", async {
        while get(address, "/readyz", "*/*").await.1 != "dependency: timed out\nnot ready\n" {}
    })
    .await;
}

#[tokio::test]
async fn other_paths_list_what_exists() {
    let health = Reporter::new([]);
    let (readiness, _probes) = Readiness::start(&often(), vec![], &health);
    let bound = bind();
    let address = bound.local_address();
    let _ops = bound.serve(readiness, telemetry("replica-1"), VERSION);
    let (code, body) = get(address, "/healthz", "*/*").await;
    let paths = "/livez\n/readyz\n/metrics\n/log-level\n/version\n";
    assert_eq!((code, body.as_str()), (404, paths));
    let (code, body) = get(address, "/version", "*/*").await;
    assert_eq!(
        (code, body.as_str()),
        (200, "{\"name\":\"subject\",\"version\":\"1.2.3\"}")
    );
}

#[tokio::test]
async fn logs_that_somebody_else_has_started_are_not_changed() {
    let health = Reporter::new([]);
    let (readiness, _probes) = Readiness::start(&often(), vec![], &health);
    let bound = bind();
    let address = bound.local_address();
    let _ops = bound.serve(readiness, telemetry("replica-1"), VERSION);
    let (code, body) = get(address, "/log-level", "*/*").await;
    assert_eq!(code, 501, "{body}");
    assert!(body.contains("has started the logs by itself"), "{body}");
}
