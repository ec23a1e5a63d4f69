//! The layers together.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{CredentialUrl, Error, Flag, Loaded, Loader, Origin, Settings, Violations};

#[derive(Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Tree {
    server: Server,
    database: CredentialUrl,
    names: Vec<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Server {
    #[serde(with = "super::address")]
    address: SocketAddr,
    streams: u32,
    #[serde(with = "super::duration")]
    timeout: Duration,
    #[serde(with = "super::duration::or_off")]
    age: Option<Duration>,
    nodelay: bool,
}

// === impl Tree ===

impl Default for Tree {
    fn default() -> Self {
        Self {
            server: Server::default(),
            database: CredentialUrl::parse("sqlite::memory:").unwrap(),
            names: vec!["one".to_owned()],
        }
    }
}

impl Settings for Tree {
    fn validate(&self, violations: &mut Violations) {
        violations.section("server", |violations| {
            violations.expect(self.server.streams > 0, "streams", "at least 1");
        });
    }
}

// === impl Server ===

impl Default for Server {
    fn default() -> Self {
        Self {
            address: ([0, 0, 0, 0], 50051).into(),
            streams: 100,
            timeout: Duration::from_secs(30),
            age: None,
            nodelay: true,
        }
    }
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn flag(key: &str, value: &str) -> Flag {
    Flag {
        name: "--set".to_owned(),
        key: key.to_owned(),
        value: value.into(),
    }
}

fn from_environment(variables: &[(&str, &str)]) -> Result<Loaded<Tree>, Error> {
    Loader::new("APP")
        .environment(
            variables
                .iter()
                .map(|(name, value)| (name.into(), value.into())),
        )
        .load()
}

#[test]
fn each_layer_overrides_the_one_before_value_by_value() {
    let file = file("[server]\nstreams = 1\ntimeout = \"5s\"\nage = \"1h\"\n");
    let loaded = Loader::new("APP")
        .file(file.path())
        .environment([
            ("APP__SERVER__STREAMS".into(), "2".into()),
            ("APP__SERVER__TIMEOUT".into(), "500ms".into()),
            ("APP__NAMES".into(), "a, b".into()),
        ])
        .flag(flag("server.streams", "3"))
        .load::<Tree>()
        .unwrap();
    assert_eq!(loaded.settings.server.streams, 3);
    assert_eq!(loaded.settings.server.timeout, Duration::from_millis(500));
    assert_eq!(loaded.settings.server.age, Some(Duration::from_hours(1)));
    assert_eq!(loaded.settings.names, ["a", "b"]);
    assert!(loaded.settings.server.nodelay);
    assert_eq!(loaded.origin("server.nodelay"), Origin::Default);
    assert_eq!(
        loaded.origin("server.age"),
        Origin::File {
            path: file.path().to_owned(),
            line: 4
        }
    );
    assert_eq!(
        loaded.origin("server.timeout"),
        Origin::Environment("APP__SERVER__TIMEOUT".to_owned())
    );
}

#[test]
fn every_problem_is_reported_at_once_with_key_layer_and_expectation() {
    let file = file("[server]\nadress = \"x\"\nstreams = 0\n[databse]\n");
    let error = Loader::new("APP")
        .file(file.path())
        .environment([
            ("APP__SERVER__TIMEOUT".into(), "soon".into()),
            ("APP__SERVER__ADDRESS".into(), "tcp://10.0.0.1:50051".into()),
        ])
        .flag(flag("server.nodelay", "perhaps"))
        .flag(flag("server", "x"))
        .load::<Tree>()
        .unwrap_err()
        .to_string();
    let path = file.path().display();
    for line in [
        "7 problems",
        &format!("server.adress ({path}:2): unknown key; did you mean server.address?"),
        &format!("server.streams ({path}:3): expected at least 1"),
        &format!("databse ({path}:4): unknown key; did you mean database?"),
        "server.timeout (environment variable APP__SERVER__TIMEOUT): ",
        "expected a duration with its unit, such as \"30s\"",
        "server.address (environment variable APP__SERVER__ADDRESS): invalid value: string \
         \"tcp://10.0.0.1:50051\", expected an IP address with its port",
        "enableServiceLinks: false",
        "server.nodelay (flag --set): expected a boolean, got string \"perhaps\"",
        "server (flag --set): expected one of the keys inside of this section",
    ] {
        assert!(error.contains(line), "{line:?} must be in\n{error}");
    }
}

#[test]
fn variables_that_kubernetes_injects_are_harmless() {
    let loaded = from_environment(&[
        ("APP_PORT", "tcp://10.0.0.1:50051"),
        ("APP_SERVICE_HOST", "10.0.0.1"),
        ("APPLE__SERVER__STREAMS", "x"),
    ]);
    assert!(loaded.is_ok(), "one underscore is not ours: {loaded:?}");
}

#[test]
fn a_number_without_a_unit_is_no_duration() {
    let error = from_environment(&[("APP__SERVER__TIMEOUT", "30")]).unwrap_err();
    assert!(error.to_string().contains("with its unit"), "{error}");
}

#[test]
fn printed_settings_load_again_and_hide_the_password() {
    let loaded = from_environment(&[("APP__DATABASE", "postgres://app:hunter2@db/app")]).unwrap();
    assert_eq!(
        loaded.settings.database.expose(),
        "postgres://app:hunter2@db/app"
    );
    let printed = loaded.to_toml().unwrap();
    assert!(!printed.contains("hunter2"), "{printed}");
    assert!(
        printed.contains(
            "database = \"postgres://app:masked@db/app\"  # environment variable APP__DATABASE"
        ),
        "{printed}"
    );
    let file = file(&printed);
    Loader::new("APP").file(file.path()).load::<Tree>().unwrap();
}

#[test]
fn a_broken_file_names_the_line_and_not_its_text() {
    let file = file("[server]\npassword = hunter2\n");
    let error = Loader::new("APP")
        .file(file.path())
        .load::<Tree>()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!("{}:2", file.path().display())),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn well_known_variables_yield_to_everything_but_defaults() {
    let with_both = || {
        Loader::new("APP")
            .well_known("HOSTNAME", "names")
            .well_known("POD_NAME", "names")
            .environment([
                ("HOSTNAME".into(), "host".into()),
                ("POD_NAME".into(), "pod".into()),
            ])
    };
    let loaded = with_both().load::<Tree>().unwrap();
    assert_eq!(loaded.settings.names, ["pod"]);
    assert_eq!(
        loaded.origin("names"),
        Origin::Environment("POD_NAME".to_owned())
    );
    let loaded = with_both()
        .flag(flag("names", "flag"))
        .load::<Tree>()
        .unwrap();
    assert_eq!(loaded.settings.names, ["flag"]);
}

#[test]
fn the_environment_can_name_the_file() {
    let error = from_environment(&[("APP_CONFIG", "/nowhere/app.toml")])
        .unwrap_err()
        .to_string();
    assert!(error.contains("/nowhere/app.toml"), "{error}");
}
