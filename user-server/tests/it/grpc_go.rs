//! What grpc-go, a client that is not ours, reads of refusals. SKIPPED without Go.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use service_runtime::auth::{Kind, refusal};
use service_runtime::limits::Limit;
use service_runtime::tls::server::Mode;
use tokio::process::Command;

use crate::callers::world::{ADMIN, World};
use crate::running::{Running, settings, soon};

const LIST: &str = "/user.v1.UserService/ListUsers";
const CREATE: &str = "/user.v1.UserService/CreateUser";
const WATCH: &str = "/user.v1.UserService/WatchUsers";

/// The Go program of `crates/grpc-channel/interop`, built.
struct Go {
    program: PathBuf,
    _folder: tempfile::TempDir,
}

// === impl Go ===

impl Go {
    /// `None` on a machine that cannot build it; a program that does not compile fails the test.
    async fn build() -> Option<Self> {
        let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/grpc-channel/interop");
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("interop");
        let go = |arguments: &[&str]| {
            let mut command = Command::new("go");
            command.args(arguments).current_dir(&module);
            command.stdout(Stdio::null()).kill_on_drop(true);
            command
        };
        let downloaded = go(&["mod", "download"]).stderr(Stdio::null()).status();
        let downloaded = tokio::time::timeout(std::time::Duration::from_mins(2), downloaded).await;
        if !matches!(downloaded, Ok(Ok(status)) if status.success()) {
            let why = "there is no Go here, or no way to its modules";
            writeln!(std::io::stderr(), "SKIPPED grpc-go: {why}").expect("standard error is open");
            return None;
        }
        let mut build = go(&["build", "-buildvcs=false", "-o"]);
        let output = build.arg(&program).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the program must compile: {said}");
        Some(Self {
            program,
            _folder: folder,
        })
    }

    /// How calls of the method ended, as grpc-go says.
    async fn ask(&self, server: &Running, method: &str, flags: &[&str]) -> Vec<Value> {
        let output = Command::new(&self.program)
            .args(["ask", "-address", &server.grpc.to_string()])
            .args(["-method", method])
            .args(flags)
            .kill_on_drop(true)
            .output();
        let output = soon("the answers", output).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let lines = String::from_utf8(output.stdout).unwrap();
        let answers = lines.lines().map(|it| serde_json::from_str(it).unwrap());
        answers.collect()
    }

    async fn ask_once(&self, server: &Running, method: &str, flags: &[&str]) -> Value {
        self.ask(server, method, flags).await.remove(0)
    }
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

fn missing(permission: &str) -> Value {
    json!({
        "code": "PERMISSION_DENIED",
        "message": format!("the caller lacks the permission {permission}"),
        "reason": refusal::reason::PERMISSION_MISSING,
        "domain": refusal::DOMAIN,
        "metadata": { "permission": permission },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_is_told_so_as_grpc_go_reads_it() {
    let Some(go) = Go::build().await else { return };
    let world = World::new();
    let server = Running::start(world.settings(Mode::Tls, &[Kind::Basic])).await;
    let ca = world.path("ca.crt").display().to_string();
    let tls = ["-tls_ca_file", &ca, "-tls_server_name", "server.test"];
    let by = |name, password| {
        let mut flags: Vec<String> = tls.map(str::to_owned).to_vec();
        flags.extend(["-authorization".to_owned(), basic(name, password)]);
        flags
    };
    for (method, stream) in [(LIST, &[][..]), (CREATE, &[]), (WATCH, &["-stream"])] {
        let nobody = go.ask_once(&server, method, &[&tls, stream].concat()).await;
        assert_eq!(
            nobody,
            json!({
                "code": "UNAUTHENTICATED",
                "message": "this method needs credentials",
                "reason": refusal::reason::CREDENTIALS_MISSING,
                "domain": refusal::DOMAIN,
            })
        );
        let guess = by("reader", "guess");
        let guess: Vec<&str> = guess.iter().map(String::as_str).collect();
        let guess = go
            .ask_once(&server, method, &[&guess, stream].concat())
            .await;
        assert_eq!(guess["code"], "UNAUTHENTICATED");
        assert_eq!(guess["reason"], refusal::reason::CREDENTIALS_INVALID);
    }
    let reader = by("reader", "r-secret");
    let reader: Vec<&str> = reader.iter().map(String::as_str).collect();
    let denied = go.ask_once(&server, CREATE, &reader).await;
    assert_eq!(denied, missing("users.write"));
    let listed = go.ask_once(&server, LIST, &reader).await;
    assert_eq!(listed["code"], "OK", "{listed}");
    let streaming = [&reader[..], &["-stream"]].concat();
    let watched = go.ask_once(&server, WATCH, &streaming).await;
    assert_eq!(watched["code"], "OK", "{watched}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_a_caller_for_grpc_go_too() {
    let Some(go) = Go::build().await else { return };
    let world = World::new();
    let server = Running::start(world.settings(Mode::Mtls, &[Kind::Mtls])).await;
    let path = |name: &str| world.path(name).display().to_string();
    let ca = path("ca.crt");
    let tls = ["-tls_ca_file", &ca, "-tls_server_name", "server.test"];
    for (name, expected) in [
        (ADMIN, None),
        ("stranger.test", Some(missing("users.read"))),
    ] {
        world.put_identity("client", &world.identity(&[name]));
        let (certificate, key) = (path("client.crt"), path("client.key"));
        let own = ["-tls_cert_file", &certificate, "-tls_key_file", &key];
        let answer = go.ask_once(&server, LIST, &[tls, own].concat()).await;
        match expected {
            None => assert_eq!(answer["code"], "OK", "{answer}"),
            Some(expected) => assert_eq!(answer, expected),
        }
    }
    let nobody = go.ask_once(&server, LIST, &tls).await;
    assert_eq!(nobody["code"], "UNAVAILABLE", "{nobody}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_calls_too_often_reads_when_to_come_again() {
    let Some(go) = Go::build().await else { return };
    let mut settings = settings("sqlite::memory:");
    settings.limits.rate_per_caller = 1;
    let server = Running::start(settings).await;
    let answers = go.ask(&server, LIST, &["-calls", "20"]).await;
    let mut refused = answers.iter().filter(|it| it["code"] != "OK");
    let refusal = refused
        .next()
        .expect("20 calls are more than a second's one");
    assert_eq!(refusal["code"], "RESOURCE_EXHAUSTED", "{refusal}");
    assert_eq!(refusal["reason"], Limit::RatePerCaller.reason());
    assert_eq!(refusal["domain"], "service-runtime");
    let wait = refusal["retry_delay_nanos"].as_u64().expect("RetryInfo");
    assert!((1..=1_000_000_000).contains(&wait), "{refusal}");
    server.stop().await;
}
