//! The log line of a finished call, in a process of its own: what `tracing` remembers of an event that
//! was met first while another test set its subscriber up may be wrong for this one.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails may say so at once"
)]

#[path = "it/subject.rs"]
#[allow(dead_code, reason = "the other tests use more of it")]
mod subject;

use std::io;
use std::sync::{Arc, Mutex};

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use service_runtime::auth::{self, Guard};
use service_runtime::faults::Faults;
use service_runtime::layers::{Layers, identity::Identity, spans::Spans};
use service_runtime::limits::Limits;
use service_runtime::methods::Method;
use service_runtime::telemetry::traces::{Exporter, Traces};
use service_runtime::telemetry::{Config, Service};
use tonic::Request;

use crate::subject::{
    OTHER, asking, connect, connect_other, on_a_free_port, soon, start, start_in, start_other,
};

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
        (check, "OK", "DEBUG"),
        (check, "INTERNAL", "ERROR"),
        (check, "INTERNAL", "ERROR"),
        (watch, "OK", "DEBUG"),
        (watch, "DATA_LOSS", "ERROR"),
        (watch, "CANCELLED", "INFO"),
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
    a_caller_that_leaves_before_the_answer_is_named(&log).await;
    a_call_is_found_by_its_trace_sampled_or_not(&log).await;
}

/// As below.
async fn a_call_is_found_by_its_trace_sampled_or_not(log: &Log) {
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-00");
    for exporter in [Exporter::None, Exporter::Otlp] {
        let mut config = Config::default();
        // Nothing is sampled, so that nothing is sent.
        (config.traces.exporter, config.traces.ratio) = (exporter, 0.0);
        let service = Service {
            name: "subject",
            version: "1.2.3",
            instance: "replica-1".to_owned(),
        };
        let traces = Traces::start(&config, &service, None).unwrap();
        let layers = Layers {
            identity: Identity::new("replica-1", "1.2.3").unwrap(),
            guard: Guard::open(),
            limits: Limits::off(),
            faults: Faults::off(),
            calls: None,
            spans: Some(Spans::new(&traces, &[])),
        };
        let (server, _gate) = start_in(layers, |bound| bound, on_a_free_port());
        let mut client = connect_other(server.local_address()).await;
        let before = log.calls(0).await.len();
        let mut request = Request::new(asking(""));
        let metadata = request.metadata_mut();
        metadata.insert("traceparent", parent.parse().unwrap());
        client.check(request).await.unwrap();
        client.check(asking("")).await.unwrap();

        let calls = log.calls(before + 2).await;
        let [with, without] = &calls[before..] else {
            panic!("two calls are two lines: {calls:?}");
        };
        assert_eq!(with["trace_id"], trace, "{with}");
        assert_eq!(with["span_id"].as_str().unwrap().len(), 16, "{with}");
        let begins_here = exporter == Exporter::Otlp;
        assert_eq!(without["trace_id"].is_string(), begins_here, "{without}");
    }
}

/// In the same process and under the same subscriber; see above.
async fn a_caller_that_leaves_before_the_answer_is_named(log: &Log) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let costs = Params::new(Params::MIN_M_COST, 1, 1, None).unwrap();
    let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, costs)
        .hash_password_with_salt(b"secret", b"0123456789abcdef")
        .unwrap();
    std::fs::write(path("passwords"), format!("reader:{hash}\n")).unwrap();
    let policy = "[methods]\n\"/test.Subject/Check\" = \"read\"\n\
                  [[grants]]\nto = { basic = \"reader\" }\npermissions = [\"read\"]\n";
    std::fs::write(path("policy.toml"), policy).unwrap();
    let config = auth::Config {
        mode: auth::Mode::Required,
        authenticators: vec![auth::Kind::Basic],
        policy: path("policy.toml"),
        basic: auth::basic::Config {
            file: path("passwords"),
            ..auth::basic::Config::default()
        },
        ..auth::Config::default()
    };
    let methods = [Method {
        path: format!("{OTHER}Check"),
        is_stream: false,
    }];
    let guard = config.start(&methods).unwrap();
    let (server, gate) = start_other(on_a_free_port(), guard, Limits::off());
    let mut client = connect_other(server.local_address()).await;
    let mut request = Request::new(asking("slow"));
    let credentials = [("username", "reader"), ("password", "secret")];
    for (name, value) in credentials {
        request.metadata_mut().insert(name, value.parse().unwrap());
    }
    let before = log.calls(0).await.len();
    let call = tokio::spawn(async move { client.check(request).await });
    gate.reached_by(1).await;
    call.abort();

    let calls = log.calls(before + 1).await;
    let call = calls.last().unwrap();
    assert_eq!(call["code"], "CANCELLED", "{call}");
    assert_eq!(call["caller"], "basic:reader", "{call}");
}
