//! The command line of the real binary.

use std::io::Write as _;
use std::process::{Command, Output};

fn user_server(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_user-server"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn bad_settings_exit_64_and_name_key_layer_and_expectation() {
    let file = file("[server]\nadress = \"x\"\n");
    let output = user_server(
        &[
            "--config",
            file.path().to_str().unwrap(),
            "--set",
            "drain.notice=5",
        ],
        &[("USER_SERVER__STORE__URL", "mysql://root:hunter2@db")],
    );
    let error = stderr(&output);
    assert_eq!(output.status.code(), Some(64), "{error}");
    for part in [
        "3 problems",
        &format!("server.adress ({}:2)", file.path().display()),
        "did you mean server.address?",
        "drain.notice (flag --set drain.notice)",
        "a duration with its unit",
        "store.url (environment variable USER_SERVER__STORE__URL): expected sqlite::memory:",
    ] {
        assert!(error.contains(part), "{part:?} must be in\n{error}");
    }
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn settings_of_a_collector_that_cannot_be_used_are_refused_for_each_signal() {
    let mut arguments = vec!["config".to_owned(), "print".to_owned()];
    for setting in [
        "flush_timeout=1h",
        "metrics.interval=0s",
        "metrics.otlp.endpoint=collector:4317",
        "metrics.otlp.timeout=0s",
        "logs.batch.queue_size=0",
        "logs.otlp.headers=hunter2",
    ] {
        arguments.extend(["--set".to_owned(), format!("telemetry.{setting}")]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = user_server(&arguments, &[]);
    let error = stderr(&output);
    assert_eq!(output.status.code(), Some(64), "{error}");
    for part in [
        "telemetry.flush_timeout (flag --set telemetry.flush_timeout): expected at most 1m",
        "telemetry.metrics.interval",
        "expected 1ms to 1h",
        "telemetry.metrics.otlp.endpoint",
        "expected http://HOST:PORT or https://HOST:PORT, without credentials",
        "telemetry.metrics.otlp.timeout",
        "telemetry.logs.batch.queue_size",
        "telemetry.logs.otlp.headers",
    ] {
        assert!(error.contains(part), "{part:?} must be in\n{error}");
    }
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn bad_usage_exits_64() {
    for arguments in [&["--no-such-flag"][..], &["fly"], &["--set", "no-value"]] {
        let output = user_server(arguments, &[]);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn what_kubernetes_injects_is_harmless() {
    let output = user_server(
        &["config", "print"],
        &[
            ("USER_SERVER_PORT", "tcp://10.0.0.1:50051"),
            ("USER_SERVER_SERVICE_HOST", "10.0.0.1"),
            ("HOSTNAME", "node-1"),
            ("POD_NAME", "replica-7"),
        ],
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let toml = stdout(&output);
    let name = "name = \"replica-7\"  # environment variable POD_NAME";
    assert!(toml.contains(name), "{toml}");
}

#[test]
fn printed_settings_are_a_settings_file() {
    let output = user_server(
        &["config", "print", "--address", "127.0.0.1:1"],
        &[("USER_SERVER__LOG__FILTER", "info,access=debug")],
    );
    let toml = stdout(&output);
    for line in [
        "address = \"127.0.0.1:1\"  # flag --address",
        "filter = \"info,access=debug\"  # environment variable USER_SERVER__LOG__FILTER",
        "deadline = \"20s\"  # default",
    ] {
        assert!(toml.contains(line), "{line:?} must be in\n{toml}");
    }
    let file = file(&toml);
    let output = user_server(&["config", "check", file.path().to_str().unwrap()], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn a_file_is_checked_by_itself() {
    let file = file("[drain]\ndeadline = \"0s\"\n");
    let path = file.path().to_str().unwrap();
    let output = user_server(
        &["config", "check", path],
        &[("USER_SERVER__DRAIN__DEADLINE", "1s")],
    );
    assert_eq!(output.status.code(), Some(64));
    let expected = format!("drain.deadline ({path}:2): expected more than zero");
    assert!(stderr(&output).contains(&expected), "{}", stderr(&output));
}

#[test]
fn the_files_that_settings_name_are_checked_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("tls.crt"), "no PEM at all").unwrap();
    std::fs::write(path("policy.toml"), "[methods]\n\"/a.B/C\" = 7\n").unwrap();
    let settings = file(&format!(
        "[server.tls]\nmode = \"tls\"\ncertificate = {:?}\nprivate_key = {:?}\n\
         [auth]\nmode = \"required\"\nauthenticators = [\"basic\"]\npolicy = {:?}\n\
         [auth.basic]\nfile = {:?}\n\
         [telemetry.traces]\nexporter = \"otlp\"\n\
         [telemetry.traces.otlp]\nendpoint = \"https://collector:4317\"\nca = {:?}\n\
         [telemetry.logs]\nexporter = \"otlp\"\n\
         [telemetry.logs.otlp]\nendpoint = \"https://collector:4317\"\nca = {:?}\n",
        path("tls.crt"),
        path("tls.key"),
        path("policy.toml"),
        path("passwords"),
        path("collector.crt"),
        path("of-logs.crt"),
    ));
    let check = ["config", "check", settings.path().to_str().unwrap()];
    let output = user_server(&check, &[]);
    let error = stderr(&output);
    assert_eq!(output.status.code(), Some(64), "{error}");
    for part in [
        "server.tls",
        &path("tls.key"),
        "auth",
        &path("policy.toml"),
        "telemetry.traces.otlp.ca",
        &path("collector.crt"),
        "telemetry.logs.otlp.ca",
        &path("of-logs.crt"),
    ] {
        assert!(error.contains(part), "{part:?} must be in\n{error}");
    }

    let settings_alone = user_server(&[&check[..], &["--without-files"]].concat(), &[]);
    let error = stderr(&settings_alone);
    assert_eq!(settings_alone.status.code(), Some(0), "{error}");
}

#[test]
fn an_expired_certificate_is_a_warning_of_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2001, 1, 1);
    params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(path("tls.crt"), certificate.pem()).unwrap();
    std::fs::write(path("tls.key"), key.serialize_pem()).unwrap();
    let settings = file(&format!(
        "[server.tls]\nmode = \"tls\"\ncertificate = {:?}\nprivate_key = {:?}\n",
        path("tls.crt"),
        path("tls.key"),
    ));
    let check = ["config", "check", settings.path().to_str().unwrap()];
    let output = user_server(&check, &[]);
    let error = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{error}");
    assert!(error.starts_with("warning: "), "{error}");
    assert!(error.contains("was valid until 2002-01-01"), "{error}");
}

#[test]
fn limits_that_contradict_each_other_are_refused() {
    let file = file(
        "[store]\nurl = \"postgres://app@db/app\"\n\
         [store.postgres]\nmax_connections = 1\nstatement_timeout = \"10s\"\n\
         [feed]\npoll_interval = \"5s\"\n",
    );
    let output = user_server(&["config", "check", file.path().to_str().unwrap()], &[]);
    let error = stderr(&output);
    assert_eq!(output.status.code(), Some(64), "{error}");
    for part in [
        "store.postgres.max_connections",
        "expected 2 to 1000",
        "store.postgres.statement_timeout",
        "expected less than call_timeout",
        "cache.max_staleness",
        "expected more than feed.poll_interval",
    ] {
        assert!(error.contains(part), "{part:?} must be in\n{error}");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    for (argument, expected) in [
        ("--help", "Examples:"),
        ("--version", env!("CARGO_PKG_VERSION")),
    ] {
        let output = user_server(&[argument], &[]);
        assert_eq!(output.status.code(), Some(0));
        assert!(stdout(&output).contains(expected));
    }
}

#[test]
fn a_port_that_is_taken_is_named_with_its_setting() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = user_server(
        &["--address", &address, "--ops-address", "127.0.0.1:0"],
        &[],
    );
    assert_eq!(output.status.code(), Some(1));
    let error = stderr(&output);
    for part in ["server.address", &address, "in use"] {
        assert!(error.contains(part), "{part:?} must be in\n{error}");
    }
}
