//! Who may call what, seen from outside.

mod secrets;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use service_runtime::auth::{Kind, Mode, refusal};
use service_runtime::health::pb::HealthCheckRequest;
use service_runtime::health::pb::health_client::HealthClient;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use user_api::v1;
use user_server::settings::Settings;

use crate::running::{Running, SOON, channel, creation, settings};

const SERVICE: &str = "/user.v1.UserService";

const READING: [&str; 5] = [
    "GetUser",
    "BatchGetUsers",
    "ListUsers",
    "WatchUsers",
    "LookupUsers",
];

const WRITING: [&str; 4] = ["CreateUser", "UpdateUser", "DeleteUser", "ImportUsers"];

/// A folder with a policy and passwords.
struct Files {
    folder: tempfile::TempDir,
}

pub(crate) fn hash(password: &str) -> String {
    let params = Params::new(Params::MIN_M_COST, 1, 1, None).unwrap();
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon.hash_password_with_salt(password.as_bytes(), b"0123456789abcdef");
    hash.unwrap().to_string()
}

pub(crate) fn policy(readers: &[&str], writers: &[&str]) -> String {
    let mut text = "[methods]\n".to_owned();
    for (methods, permission) in [(&READING[..], "users.read"), (&WRITING[..], "users.write")] {
        for method in methods {
            writeln!(text, "\"{SERVICE}/{method}\" = \"{permission}\"").unwrap();
        }
    }
    for (names, permission) in [(readers, "users.read"), (writers, "users.write")] {
        for name in names {
            let to = format!("{{ basic = \"{name}\" }}");
            writeln!(
                text,
                "[[grants]]\nto = {to}\npermissions = [\"{permission}\"]"
            )
            .unwrap();
        }
    }
    text
}

fn by<T>(name: &str, password: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let encoded = STANDARD.encode(format!("{name}:{password}"));
    let value = format!("Basic {encoded}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

pub(crate) fn reason(status: &Status) -> String {
    let details = status.get_details_error_info();
    details.expect("a refusal must have ErrorInfo").reason
}

// === impl Files ===

impl Files {
    fn new() -> Self {
        let files = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let passwords = format!("reader:{}\nwriter:{}\n", hash("r-secret"), hash("w-secret"));
        std::fs::write(files.path("passwords"), passwords).unwrap();
        files.set_policy(&policy(&["reader", "writer"], &["writer"]));
        files
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn set_policy(&self, text: &str) {
        // As Kubernetes does it: never half a file.
        std::fs::write(self.path("new"), text).unwrap();
        std::fs::rename(self.path("new"), self.path("policy.toml")).unwrap();
    }

    fn settings(&self) -> Settings {
        let mut settings = settings("sqlite::memory:");
        settings.auth.mode = Mode::Required;
        settings.auth.authenticators = vec![Kind::Basic];
        settings.auth.policy = self.path("policy.toml");
        settings.auth.basic.file = self.path("passwords");
        settings.auth.open_reflection = true;
        settings
    }
}

#[tokio::test]
async fn callers_may_do_what_the_policy_says_and_nothing_else() {
    let files = Files::new();
    let server = Running::start(files.settings()).await;
    let mut client = server.client().await;
    let list = v1::ListUsersRequest::default;

    let status = client.list_users(list()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(reason(&status), refusal::reason::CREDENTIALS_MISSING);

    let mut told = Vec::new();
    for (name, password) in [("reader", "w-secret"), ("stranger", "r-secret"), ("", "")] {
        let status = client
            .list_users(by(name, password, list()))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{name}");
        assert_eq!(reason(&status), refusal::reason::CREDENTIALS_INVALID);
        told.push((status.message().to_owned(), status.details().to_vec()));
    }
    told.dedup();
    assert_eq!(
        told.len(),
        1,
        "a guess must not tell what was wrong with it"
    );

    client
        .list_users(by("reader", "r-secret", list()))
        .await
        .unwrap();
    let status = client
        .create_user(by("reader", "r-secret", creation("Ada", "ada@example.com")))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(status.message().contains("users.write"), "{status}");
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.metadata["permission"], "users.write");
    client
        .create_user(by("writer", "w-secret", creation("Ada", "ada@example.com")))
        .await
        .unwrap();
    server.stop().await;
}

#[tokio::test]
async fn credentials_that_are_there_twice_are_refused_even_if_one_is_good() {
    let files = Files::new();
    let server = Running::start(files.settings()).await;
    let mut client = server.client().await;
    let list = v1::ListUsersRequest::default;
    for (name, second) in [
        ("authorization", "Basic bm9ib2R5Om5vYm9keQ=="),
        ("authorization", "Bearer nobody"),
        ("username", "nobody"),
        ("password", "nobody"),
    ] {
        let mut request = if name == "authorization" {
            by("reader", "r-secret", list())
        } else {
            let mut request = Request::new(list());
            let metadata = request.metadata_mut();
            metadata.insert("username", "reader".parse().unwrap());
            metadata.insert("password", "r-secret".parse().unwrap());
            request
        };
        request.metadata_mut().append(name, second.parse().unwrap());
        let status = client.list_users(request).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{name}");
        assert_eq!(reason(&status), refusal::reason::CREDENTIALS_INVALID);
    }
    server.stop().await;
}

#[tokio::test]
async fn streams_are_guarded_like_unary_calls() {
    let files = Files::new();
    let server = Running::start(files.settings()).await;
    let mut client = server.client().await;
    let rows = || tokio_stream::iter(Vec::<v1::ImportUsersRequest>::new());
    let watch = v1::WatchUsersRequest::default;
    for (status, code) in [
        (
            client.watch_users(watch()).await.err(),
            Code::Unauthenticated,
        ),
        (
            client.import_users(rows()).await.err(),
            Code::Unauthenticated,
        ),
        (
            client
                .import_users(by("reader", "r-secret", rows()))
                .await
                .err(),
            Code::PermissionDenied,
        ),
    ] {
        assert_eq!(status.map(|it| it.code()), Some(code));
    }
    client
        .watch_users(by("reader", "r-secret", watch()))
        .await
        .unwrap();
    server.stop().await;
}

#[tokio::test]
async fn health_is_open_and_needs_no_credentials() {
    let files = Files::new();
    let server = Running::start(files.settings()).await;
    let mut health = HealthClient::new(channel(server.grpc).await);
    health.check(HealthCheckRequest::default()).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_grant_that_is_taken_away_is_gone_without_a_restart() {
    let files = Files::new();
    let server = Running::start(files.settings()).await;
    let mut client = server.client().await;
    let list = || by("reader", "r-secret", v1::ListUsersRequest::default());
    client.list_users(list()).await.unwrap();
    files.set_policy("this is no policy");
    files.set_policy(&policy(&[], &["writer"]));
    let status = tokio::time::timeout(SOON, async {
        loop {
            if let Err(status) = client.list_users(list()).await {
                break status;
            }
        }
    })
    .await
    .expect("the policy must be read again");
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(
        client
            .list_users(by("writer", "w-secret", v1::ListUsersRequest::default()))
            .await
            .is_err()
    );
    server.stop().await;
}

fn user_server(config: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_user-server"));
    command
        .env_clear()
        .arg("--config")
        .arg(config)
        .args(arguments);
    command
}

fn config(files: &Files, more: &str) -> std::path::PathBuf {
    let folder = files.folder.path().display();
    let text = format!(
        "[server]\naddress = \"127.0.0.1:0\"\n[ops]\naddress = \"127.0.0.1:0\"\n\
         [auth]\nmode = \"required\"\nauthenticators = [\"jwt\", \"basic\"]\n\
         policy = \"{folder}/policy.toml\"\n{more}\n\
         [auth.basic]\nfile = \"{folder}/passwords\"\n\
         [auth.jwt]\njwks = \"{folder}/jwks\"\nissuer = \"issuer\"\naudience = \"this\"\n\
         algorithms = [\"HS256\"]\n"
    );
    std::fs::write(files.path("config.toml"), text).unwrap();
    let key =
        "{\"keys\":[{\"kty\":\"oct\",\"k\":\"cGxhbnRlZC1zaWduaW5nLXNlY3JldC0wMTIzNDU2Nzg5\"}]}";
    std::fs::write(files.path("jwks"), key).unwrap();
    files.path("config.toml")
}

#[test]
fn a_method_that_the_policy_forgets_stops_the_start_with_64() {
    let files = Files::new();
    let incomplete =
        policy(&[], &[]).replace(&format!("\"{SERVICE}/GetUser\" = \"users.read\"\n"), "");
    files.set_policy(&incomplete);
    let output = user_server(&config(&files, "open_reflection = true"), &[])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{error}");
    let part = "says nothing about /user.v1.UserService/GetUser;";
    assert!(error.contains(part), "{part:?} must be in\n{error}");

    // Reflection is covered by the policy unless it is open.
    let output = user_server(&config(&files, ""), &[]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{error}");
    assert!(error.contains("ServerReflectionInfo"), "{error}");
}

#[test]
fn settings_that_leave_the_door_open_by_mistake_are_refused() {
    let files = Files::new();
    std::fs::write(
        files.path("x.toml"),
        "[auth]\nmode = \"required\"\nauthenticators = [\"mtls\", \"basic\"]\n",
    )
    .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_user-server"))
        .env_clear()
        .args(["config", "check"])
        .arg(files.path("x.toml"))
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{error}");
    for part in [
        "auth.authenticators",
        "server.tls.mode",
        "auth.policy",
        "auth.basic.file",
    ] {
        assert!(error.contains(part), "{part:?} must be in\n{error}");
    }
}
