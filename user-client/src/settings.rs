//! What can be set, with its defaults; and the layers that set it.
//!
//! Each layer overrides the ones before it: defaults, `SERVER_HOST` for the target, the TOML file
//! (`--config` or `USER_CLIENT_CONFIG`), `USER_CLIENT__…`, flags. `SERVER_HOST` comes so early because
//! it is not ours: what was set for this program on purpose must win.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use service_runtime::settings::{Error, Flag, Loaded, Loader, Violations, duration};
use service_runtime::{logs, telemetry, tls};

use crate::compression::Compression;
use crate::credentials;
use crate::ops;

/// Begins the environment variables of this program.
const PREFIX: &str = "USER_CLIENT";

/// The target's variable in the classic load-balancing experiment, which many know it by.
const SERVER_HOST: &str = "SERVER_HOST";

/// The settings of this program.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where the service is: `dns:///host:port`, `k8s:///service.namespace:port`,
    /// `ipv4:address:port,…`, or `host:port`.
    pub target: String,
    /// Where else it is, in order of priority: a target is used while those before it have failed. In
    /// an environment variable they are separated by commas, so that a target with a comma belongs in
    /// the file.
    pub fallbacks: Vec<String>,
    /// Whether a service mesh balances, retries and encrypts what this program sends. It then holds
    /// one connection, to the first address of the target, which should be the name of a Service with
    /// a cluster IP: the sidecar (or the node's proxy) behind that connection picks a replica for each
    /// call. A call is not retried; what has not left this machine still is.
    pub mesh: bool,
    /// How long one call may take. Longer than zero.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// Whether a call waits for a replica that is ready, instead of failing when there is none.
    pub wait_for_ready: bool,
    /// How messages are compressed: `off`, `gzip` or `zstd`.
    pub compression: Compression,
    /// How the channel connects and finds replicas.
    pub channel: ChannelSettings,
    /// Whether connections are made by TLS, whom they trust, and who this client is.
    pub tls: tls::client::Config,
    /// What every call proves its caller by.
    pub credentials: credentials::Config,
    /// The plain HTTP listener of commands that last.
    pub ops: ops::Config,
    /// What is logged, to standard error.
    pub log: logs::Config,
    /// What is told to collectors.
    pub telemetry: telemetry::Config,
}

/// How the channel connects and finds replicas.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelSettings {
    /// How long one connection may take to be made. Longer than zero.
    #[serde(with = "duration")]
    pub connect_timeout: Duration,
    /// After how much silence a connection is pinged, or `off`. At least ten seconds (gRFC A8).
    #[serde(with = "duration::or_off")]
    pub keepalive_time: Option<Duration>,
    /// How long the answer to a ping may take before the connection counts as lost.
    #[serde(with = "duration")]
    pub keepalive_timeout: Duration,
    /// Whether to ping connections that carry no call. Servers may answer with GOAWAY unless they
    /// allow it.
    pub keepalive_without_calls: bool,
    /// A name is resolved again after its TTL, but no sooner than this.
    #[serde(with = "duration")]
    pub dns_interval_min: Duration,
    /// A name is resolved again after its TTL, but no later than this.
    #[serde(with = "duration")]
    pub dns_interval_max: Duration,
    /// What the owner of the service asks of its clients, as gRPC's service config in JSON: retries and
    /// their budget, hedging, outlier detection, the policy. Empty for the channel's own defaults.
    pub service_config: String,
}

/// The layers above the environment, from the command line.
#[derive(Debug, Default)]
pub struct Overrides {
    /// The TOML file.
    pub file: Option<PathBuf>,
    /// The flags that set something.
    pub flags: Vec<Flag>,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            target: "dns:///localhost:50051".to_owned(),
            timeout: Duration::from_secs(10),
            fallbacks: Vec::new(),
            mesh: false,
            wait_for_ready: false,
            compression: Compression::Off,
            channel: ChannelSettings::default(),
            tls: tls::client::Config::default(),
            credentials: credentials::Config::default(),
            ops: ops::Config::default(),
            log: logs::Config {
                // Standard error belongs to the progress, and a failed call says why by itself.
                filter: "error,user_client::load=warn,user_client::sidecar=warn"
                    .parse()
                    .unwrap_or_default(),
                ..logs::Config::default()
            },
            telemetry: telemetry::Config::default(),
        }
    }
}

impl service_runtime::settings::Settings for Settings {
    fn validate(&self, violations: &mut Violations) {
        violations.expect(!self.timeout.is_zero(), "timeout", "more than zero");
        violations.expect(
            !self.mesh || is_one_name(&self.target),
            "target",
            "the name and port of a Service with a cluster IP, since mesh is true",
        );
        violations.expect(
            !self.mesh || self.fallbacks.is_empty(),
            "fallbacks",
            "none, since mesh is true: it knows what else there is",
        );
        violations.expect(
            !(self.mesh && self.tls.enabled),
            "tls.enabled",
            "false, since mesh is true: a proxy can balance only calls that it can read",
        );
        violations.section("channel", |violations| self.channel.validate(violations));
        violations.section("tls", |violations| self.tls.validate(violations));
        violations.section("credentials", |violations| {
            self.credentials.validate(self.tls.enabled, violations);
        });
        violations.section("telemetry", |it| self.telemetry.validate(it));
    }
}

// === impl ChannelSettings ===

impl ChannelSettings {
    fn validate(&self, violations: &mut Violations) {
        violations.expect(
            !self.connect_timeout.is_zero(),
            "connect_timeout",
            "more than zero",
        );
        violations.expect(
            self.keepalive_time
                .is_none_or(|time| time >= Duration::from_secs(10)),
            "keepalive_time",
            "at least 10s, or \"off\"",
        );
        violations.expect(
            !self.keepalive_timeout.is_zero(),
            "keepalive_timeout",
            "more than zero",
        );
        violations.expect(
            !self.dns_interval_min.is_zero(),
            "dns_interval_min",
            "more than zero",
        );
        violations.expect(
            self.dns_interval_max >= self.dns_interval_min,
            "dns_interval_max",
            "at least dns_interval_min",
        );
    }
}

impl Default for ChannelSettings {
    fn default() -> Self {
        Self {
            // A pod that is gone answers nothing at all: the others should not wait long for it.
            connect_timeout: Duration::from_secs(2),
            keepalive_time: Some(Duration::from_secs(30)),
            keepalive_timeout: Duration::from_secs(10),
            keepalive_without_calls: false,
            dns_interval_min: Duration::from_secs(1),
            dns_interval_max: Duration::from_secs(30),
            service_config: String::new(),
        }
    }
}

/// Whether a target leads to one place, where somebody else can balance.
fn is_one_name(target: &str) -> bool {
    !["k8s:", "dns+srv:"]
        .iter()
        .any(|scheme| target.starts_with(scheme))
        && !target.contains(',')
}

// === impl Overrides ===

impl Overrides {
    /// The same with another target, if a command was given one of its own.
    pub(crate) fn target(mut self, target: Option<String>) -> Self {
        self.flags.extend(target.map(|target| Flag {
            name: "TARGET".to_owned(),
            key: "target".to_owned(),
            value: target.into(),
        }));
        self
    }

    /// The same with an ops listener, if a command was given one.
    pub(crate) fn ops_address(mut self, address: Option<String>) -> Self {
        self.flags.extend(address.map(|address| Flag {
            name: "--ops-address".to_owned(),
            key: "ops.address".to_owned(),
            value: address.into(),
        }));
        self
    }
}

// === loading ===

/// Loads the settings of this process: its environment, and what the command line said.
///
/// # Errors
/// With every key that is unknown or unacceptable, and the layer that it came from.
pub fn load(overrides: Overrides) -> Result<Loaded<Settings>, Error> {
    load_from(std::env::vars_os().collect(), overrides)
}

/// Checks a file by itself, without the environment and the command line.
///
/// # Errors
/// As [`load`].
pub fn check(file: PathBuf) -> Result<(), Error> {
    let overrides = Overrides {
        file: Some(file),
        flags: Vec::new(),
    };
    load_from(Vec::new(), overrides).map(drop)
}

/// Loads the settings that a process with this environment and this command line would have.
///
/// # Errors
/// As [`load`].
pub fn load_from(
    environment: Vec<(OsString, OsString)>,
    overrides: Overrides,
) -> Result<Loaded<Settings>, Error> {
    let mut loader = Loader::new(PREFIX)
        .well_known(SERVER_HOST, "target")
        .well_known("SPIFFE_ENDPOINT_SOCKET", "tls.spiffe_endpoint")
        .environment(environment);
    if let Some(file) = overrides.file {
        loader = loader.file(file);
    }
    overrides
        .flags
        .into_iter()
        .fold(loader, Loader::flag)
        .load()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn target_of(environment: &[(&str, &str)], overrides: Overrides) -> String {
        let environment = environment
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let loaded = load_from(environment, overrides).expect("these settings are right");
        loaded.settings.target
    }

    #[test]
    fn the_target_comes_from_the_highest_layer_that_names_it() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "target = \"file:1\"").unwrap();
        let with_file = || Overrides {
            file: Some(file.path().to_owned()),
            flags: Vec::new(),
        };
        let with_flag = || Overrides {
            flags: vec![Flag {
                name: "--target".to_owned(),
                key: "target".to_owned(),
                value: "flag:1".into(),
            }],
            ..with_file()
        };
        let classic = ("SERVER_HOST", "classic:1");
        let own = ("USER_CLIENT__TARGET", "own:1");
        assert_eq!(
            target_of(&[], Overrides::default()),
            "dns:///localhost:50051"
        );
        assert_eq!(target_of(&[], with_file()), "file:1");
        assert_eq!(target_of(&[classic], Overrides::default()), "classic:1");
        assert_eq!(target_of(&[classic], with_file()), "file:1");
        assert_eq!(target_of(&[classic, own], Overrides::default()), "own:1");
        assert_eq!(target_of(&[classic, own], with_file()), "own:1");
        assert_eq!(target_of(&[classic, own], with_flag()), "flag:1");
        assert_eq!(target_of(&[classic], with_flag()), "flag:1");
    }

    #[test]
    fn every_unacceptable_value_is_reported_with_its_key() {
        let environment = [
            ("USER_CLIENT__TIMEOUT", "0s"),
            ("USER_CLIENT__CHANNEL__KEEPALIVE_TIME", "1s"),
            ("USER_CLIENT__CHANNEL__DNS_INTERVAL_MAX", "1ms"),
            ("USER_CLIENT__TLS__ENABLED", "true"),
            ("USER_CLIENT__CREDENTIALS__BASIC_NAME", "ada"),
            ("USER_CLIENT__MESH", "true"),
            ("USER_CLIENT__TARGET", "k8s:///service.namespace:1"),
            ("USER_CLIENT__FALLBACKS", "a:1, b:1"),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
        let error = load_from(environment, Overrides::default()).expect_err("eight are wrong");
        for key in [
            "target",
            "fallbacks",
            "tls.enabled",
            "timeout",
            "channel.keepalive_time",
            "channel.dns_interval_max",
            "tls.ca",
            "credentials.basic_password_file",
        ] {
            assert!(
                error.to_string().contains(key),
                "{key} is missing in: {error}"
            );
        }
    }
}
