//! What every call gets, whatever becomes of it.

use std::io;
use std::sync::{Arc, Mutex};

use tonic::metadata::MetadataMap;
use tonic::{Code, Request};

use crate::subject::{asking, connect, on_a_free_port, soon, start};

/// The log of a test whose tasks all run on its own thread.
#[derive(Clone, Debug, Default)]
struct Log {
    bytes: Arc<Mutex<Vec<u8>>>,
}

// === impl Log ===

impl Log {
    /// Collects everything that is logged on this thread while the guard lives.
    fn start(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || log.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    /// The lines of finished calls, once there are so many.
    async fn calls(&self, count: usize) -> Vec<serde_json::Value> {
        soon("the log lines", async {
            loop {
                let text = String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap();
                let calls: Vec<serde_json::Value> = text
                    .lines()
                    .map(|line| serde_json::from_str(line).unwrap())
                    .filter(|line: &serde_json::Value| line["target"] == "access")
                    .collect();
                if calls.len() >= count {
                    break calls;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn assert_identified(metadata: &MetadataMap) {
    assert_eq!(metadata.get("x-served-by").unwrap(), "replica-1");
    assert_eq!(metadata.get("x-version").unwrap(), "1.2.3");
    assert_eq!(metadata.get("x-request-id").unwrap().len(), 32);
}

#[tokio::test]
async fn every_response_names_the_replica_and_its_version() {
    let (server, _gate) = start(on_a_free_port());
    let mut client = connect(server.local_address()).await;
    assert_identified(client.check(asking("")).await.unwrap().metadata());
    assert_identified(client.watch(asking("")).await.unwrap().metadata());
    assert_identified(client.check(asking("fails")).await.unwrap_err().metadata());
    assert_identified(client.check(asking("panics")).await.unwrap_err().metadata());
}

#[tokio::test]
async fn a_callers_request_id_comes_back() {
    let (server, _gate) = start(on_a_free_port());
    let mut client = connect(server.local_address()).await;
    let mut request = Request::new(asking(""));
    request
        .metadata_mut()
        .insert("x-request-id", "order-17".parse().unwrap());
    let response = client.check(request).await.unwrap();
    assert_eq!(response.metadata().get("x-request-id").unwrap(), "order-17");
}

#[tokio::test]
async fn a_panic_is_internal_and_harms_no_other_call() {
    let (server, gate) = start(on_a_free_port());
    let mut client = connect(server.local_address()).await;
    let mut other = client.clone();
    let in_flight = tokio::spawn(async move { other.check(asking("slow")).await });
    gate.reached_by(1).await;

    let status = client.check(asking("panics")).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(!status.message().contains("on purpose"), "{status}");

    let mut stream = client.watch(asking("panics")).await.unwrap().into_inner();
    stream.message().await.unwrap().expect("the first message");
    let status = stream.message().await.unwrap_err();
    assert_eq!(
        status.code(),
        Code::Internal,
        "also in the middle of a stream"
    );

    gate.open();
    in_flight.await.unwrap().unwrap();
}

#[tokio::test]
async fn every_finished_call_is_one_line_at_a_level_by_code() {
    let log = Log::default();
    let _guard = log.start();
    let (server, gate) = start(on_a_free_port());
    let mut client = connect(server.local_address()).await;

    client.check(asking("")).await.unwrap();
    client.check(asking("fails")).await.unwrap_err();
    client.check(asking("panics")).await.unwrap_err();
    let mut stream = client.watch(asking("")).await.unwrap().into_inner();
    while stream.message().await.unwrap().is_some() {}
    let mut stream = client.watch(asking("fails")).await.unwrap().into_inner();
    while stream.message().await.is_ok() {}
    log.calls(5).await;
    // A caller that leaves.
    let mut stream = client.watch(asking("slow")).await.unwrap().into_inner();
    stream.message().await.unwrap();
    gate.reached_by(1).await;
    drop(stream);

    let calls = log.calls(6).await;
    let seen: Vec<_> = calls
        .iter()
        .map(|call| {
            let field = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
            (field("method"), field("code"), field("level"))
        })
        .collect();
    let (check, watch) = ("grpc.health.v1.Health/Check", "grpc.health.v1.Health/Watch");
    let expected = [
        (check, "Ok", "DEBUG"),
        (check, "Internal", "ERROR"),
        (check, "Internal", "ERROR"),
        (watch, "Ok", "DEBUG"),
        (watch, "DataLoss", "ERROR"),
        (watch, "Cancelled", "INFO"),
    ]
    .map(|(method, code, level)| (method.to_owned(), code.to_owned(), level.to_owned()));
    assert_eq!(seen, expected);
    for call in &calls {
        assert!(call["duration_us"].is_u64(), "{call}");
        assert!(
            call["peer"].as_str().unwrap().starts_with("127.0.0.1:"),
            "{call}"
        );
        assert_eq!(call["request_id"].as_str().unwrap().len(), 32, "{call}");
    }
}
