//! Trouble on purpose, set where operators set it and met where callers meet it.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use service_runtime::auth::Guard;
use service_runtime::faults::http::{PATH, routes};
use service_runtime::faults::{Config, Faults};
use service_runtime::health::Reporter;
use service_runtime::health::pb::health_client::HealthClient;
use service_runtime::layers::metrics::Calls;
use service_runtime::layers::{Layers, identity::Identity};
use service_runtime::limits::{self, Limits};
use service_runtime::methods::Method;
use service_runtime::ops::{self, Version};
use service_runtime::readiness::{self, Readiness};
use service_runtime::server::Running;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::transport::Endpoint;
use tonic::{Code, Request};

use crate::scrape::{Scraped, telemetry};
use crate::subject::{Gate, OTHER, asking, connect_other, on_a_free_port, soon, start_in};

/// A server whose faults can be set.
struct Stage {
    server: Running,
    gate: Gate,
    faults: Faults,
    ops: SocketAddr,
    scraped: Scraped,
    _ops: ops::Running,
}

fn methods() -> [Method; 3] {
    let method = |path: String, is_stream| Method { path, is_stream };
    [
        method(format!("{OTHER}Check"), false),
        method(format!("{OTHER}Watch"), true),
        method("/grpc.health.v1.Health/List".to_owned(), false),
    ]
}

/// The same numbers for each one who asks with this seed.
fn seeded(seed: u64) -> impl Fn() -> f64 + Send + Sync + 'static {
    let random = Mutex::new(fastrand::Rng::with_seed(seed));
    move || random.lock().unwrap().f64()
}

fn start_with(config: &Config, limits: Limits) -> Stage {
    let scraped = Scraped::start();
    let faults = config.start_with(&methods(), seeded(7));
    faults.measure(&scraped.meter());
    let layers = Layers {
        identity: Identity::new("replica-1", "1.2.3").unwrap(),
        guard: Guard::open(),
        limits,
        faults: faults.clone(),
        calls: Some(Calls::new(&scraped.meter(), &methods())),
        spans: None,
    };
    let (server, gate) = start_in(layers, |bound| bound, on_a_free_port());
    let often = readiness::Config {
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
    };
    let (readiness, _) = Readiness::start(&often, vec![], &Reporter::new([]));
    let address = ([127, 0, 0, 1], 0).into();
    let bound = ops::Config { address }.bind().unwrap();
    let bound = bound.also(PATH, routes(faults.clone(), "replica-1"));
    let version = Version {
        name: "subject",
        version: "1.2.3",
    };
    Stage {
        server,
        gate,
        faults,
        ops: bound.local_address(),
        _ops: bound.serve(readiness, telemetry("replica-1"), version),
        scraped,
    }
}

fn start() -> Stage {
    start_with(&Config { enabled: true }, Limits::off())
}

/// The status code and the JSON.
async fn ask(ops: SocketAddr, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut socket = TcpStream::connect(ops).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    soon("the answer", socket.read_to_string(&mut response))
        .await
        .unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    (code, serde_json::from_str(body).unwrap_or(Value::Null))
}

// === impl Stage ===

impl Stage {
    async fn put(&self, method: &str, fault: &Value) -> Value {
        let path = format!("/faults/{method}");
        let (code, json) = ask(self.ops, "PUT", &path, &fault.to_string()).await;
        assert_eq!(code, 200, "{json}");
        json
    }
}

#[tokio::test]
async fn a_code_comes_for_the_share_of_the_calls_that_was_asked_for_and_for_no_other_call() {
    let stage = start();
    let mut client = connect_other(stage.server.local_address()).await;
    client.check(asking("")).await.expect("nothing is set yet");
    stage
        .put("Check", &json!({"code": "UNAVAILABLE", "ratio": 0.3}))
        .await;
    // Nothing is drawn for a call that has no fault to meet.
    client
        .list(service_runtime::health::pb::HealthListRequest {})
        .await
        .unwrap();
    let draw = seeded(7);
    let mut failed = 0;
    for call in 0..200 {
        let expected = draw() < 0.3;
        match client.check(asking("")).await {
            Ok(_) => assert!(!expected, "call {call} has to meet the fault"),
            Err(status) => {
                assert!(expected, "call {call} has to be answered: {status}");
                assert_eq!(status.code(), Code::Unavailable);
                assert!(status.message().contains("an operator has set"), "{status}");
                assert_eq!(status.metadata().get("x-served-by").unwrap(), "replica-1");
                failed += 1;
            }
        }
    }
    assert!(failed > 0, "the seed has to strike");
    let (_, shown) = ask(stage.ops, "GET", PATH, "").await;
    assert_eq!(shown["replica"], "replica-1");
    assert_eq!(shown["faults"][0]["calls"], failed);
    assert_eq!(shown["faults"][0]["method"], "test.Subject/Check");
    stage
        .scraped
        .until("faults_injected_total{fault=\"status\"}", f64::from(failed))
        .await;
    stage.scraped.until("faults_set", 1.0).await;
    let measured = "grpc_server_call_duration_seconds_count\
                    {grpc_method=\"test.Subject/Check\",grpc_status=\"UNAVAILABLE\"}";
    stage.scraped.until(measured, f64::from(failed)).await;
}

#[tokio::test]
async fn a_delay_holds_the_calls_place_and_the_deadlines_apply_to_it() {
    let limits = limits::Config::default().start(&methods());
    let stage = start_with(&Config { enabled: true }, limits.clone());
    let mut client = connect_other(stage.server.local_address()).await;
    stage.put("Check", &json!({"delay": "1h"})).await;
    let mut request = Request::new(asking(""));
    request.set_timeout(Duration::from_millis(50));
    let status = client.check(request).await.unwrap_err();
    assert!(
        matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled),
        "the deadline is shorter than the delay: {status}"
    );

    let idle = async || {
        soon("the end of what runs", async {
            while limits.running() != 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    };
    idle().await;
    let mut other = client.clone();
    let held = tokio::spawn(async move { other.check(asking("")).await });
    soon("the call's place", async {
        while limits.running() != 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    held.abort();
    // Its caller has given it up.
    idle().await;

    stage.put("Check", &json!({"delay": "1ms"})).await;
    client
        .check(asking(""))
        .await
        .expect("after its delay, a call is answered as ever");
    stage
        .scraped
        .until("faults_injected_total{fault=\"delay\"}", 3.0)
        .await;
}

#[tokio::test]
async fn an_abort_resets_the_stream_and_no_other_one() {
    let stage = start();
    let mut client = connect_other(stage.server.local_address()).await;
    let mut other = client.clone();
    let beside = tokio::spawn(async move { other.check(asking("slow")).await });
    stage.gate.reached_by(1).await;
    stage
        .put("*", &json!({"abort": true, "delay": "1ms"}))
        .await;
    let status = client.check(asking("")).await.unwrap_err();
    assert_eq!(
        status.code(),
        Code::Internal,
        "a reset by INTERNAL_ERROR: {status}"
    );
    let status = client.watch(asking("")).await;
    let status = match status {
        Ok(stream) => stream.into_inner().message().await.unwrap_err(),
        Err(status) => status,
    };
    assert_eq!(status.code(), Code::Internal, "streams, too: {status}");
    stage.gate.open();
    beside.await.unwrap().expect("the connection stays");
    let list = service_runtime::health::pb::HealthListRequest {};
    HealthClient::new(
        Endpoint::from_shared(format!("http://{}", stage.server.local_address()))
            .unwrap()
            .connect()
            .await
            .unwrap(),
    )
    .list(list)
    .await
    .expect("* is not for gRPC's own services");
}

#[tokio::test]
async fn a_fault_ends_by_itself() {
    let stage = start();
    let mut client = connect_other(stage.server.local_address()).await;
    let set = json!({"code": "ABORTED", "for": "off"});
    assert_eq!(
        stage.put("Watch", &set).await["faults"][0]["remaining"],
        "off"
    );
    stage
        .put("Check", &json!({"code": "ABORTED", "for": "1h"}))
        .await;
    // A later one in its place has its own time.
    stage
        .put("Check", &json!({"code": "ABORTED", "for": "50ms"}))
        .await;
    soon("the end of the fault", async {
        while client.check(asking("")).await.is_err() {}
    })
    .await;
    stage.scraped.until("faults_set", 1.0).await;
    let left = stage.faults.list().unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].scope.to_string(), "test.Subject/Watch");
}

#[tokio::test]
async fn faults_are_cleared_one_by_one_or_together() {
    let stage = start();
    let mut client = connect_other(stage.server.local_address()).await;
    for method in ["*", "Check", "test.Subject/Watch"] {
        stage.put(method, &json!({"code": "DATA_LOSS"})).await;
    }
    let (code, cleared) = ask(stage.ops, "DELETE", "/faults/Check", "").await;
    assert_eq!(
        (code, &cleared["faults"][0]["method"]),
        (200, &"test.Subject/Check".into())
    );
    let (code, cleared) = ask(stage.ops, "DELETE", "/faults/Check", "").await;
    let none = json!({"replica": "replica-1", "faults": []});
    assert_eq!((code, cleared), (200, none), "it is ended already");
    client
        .check(asking(""))
        .await
        .expect_err("the fault of all is left");
    let (code, cleared) = ask(stage.ops, "DELETE", PATH, "").await;
    assert_eq!(
        (code, cleared["faults"].as_array().unwrap().len()),
        (200, 2)
    );
    client
        .check(asking(""))
        .await
        .expect("nothing is set any more");
}

#[tokio::test]
async fn a_wrong_fault_is_refused_with_what_was_expected() {
    let stage = start();
    for (path, body, code, part) in [
        ("/faults/Check", "{", 400, "EOF"),
        (
            "/faults/Check",
            r#"{"delay": 5}"#,
            400,
            "delay: invalid type: integer `5`, expected a duration",
        ),
        (
            "/faults/Check",
            "{}",
            400,
            "at least one of delay, code and abort",
        ),
        (
            "/faults/Chekc",
            r#"{"abort": true}"#,
            404,
            "did you mean \"Check\"?",
        ),
        (
            "/faults/x.Y/Check",
            r#"{"abort": true}"#,
            404,
            "test.Subject/Check",
        ),
    ] {
        let (status, json) = ask(stage.ops, "PUT", path, body).await;
        let error = json["error"].as_str().unwrap_or_default();
        assert_eq!(status, code, "{path} {body}: {json}");
        assert!(error.contains(part), "{path} {body}: {part:?} in {error:?}");
    }
    assert!(stage.faults.list().unwrap().is_empty(), "nothing was set");
}

#[tokio::test]
async fn without_the_setting_nothing_can_be_set_and_the_reason_is_said() {
    let stage = start_with(&Config::default(), Limits::off());
    for (method, path) in [
        ("GET", PATH),
        ("PUT", "/faults/Check"),
        ("DELETE", "/faults/Check"),
        ("DELETE", PATH),
    ] {
        let (code, json) = ask(stage.ops, method, path, r#"{"abort": true}"#).await;
        assert_eq!(code, 403, "{method} {path}");
        let error = json["error"].as_str().unwrap();
        assert!(error.contains("faults.enabled"), "{error}");
    }
    let mut client = connect_other(stage.server.local_address()).await;
    client.check(asking("")).await.unwrap();
    assert!(stage.scraped.value("faults_set").await < 1.0);
}
