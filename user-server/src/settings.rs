//! Every setting of the server, with its default, in one tree: the `Config` of each module.

use serde::{Deserialize, Serialize};
use service_runtime::settings::{Loader, Violations};
use service_runtime::tls::server::Mode;
use service_runtime::web;
use service_runtime::{
    auth, drain, faults, limits, logs, ops, readiness, runtime, server, telemetry,
};

use crate::compression::Compression;
use crate::server::VERSION;
use crate::{cache, feed, store};

/// What the names of environment variables begin with: `USER_SERVER__SERVER__ADDRESS`.
pub const PREFIX: &str = "USER_SERVER";

/// The settings tree. Each section is a module's `Config`, which says what its keys mean.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Who this replica is.
    pub instance: Instance,
    /// How threads share the work.
    pub runtime: runtime::Config,
    /// The gRPC listener and its connections.
    pub server: server::Config,
    /// `"off"`, `"gzip"`, `"zstd"` or `"any"`.
    pub compression: Compression,
    /// gRPC-Web, for browsers.
    pub web: web::Config,
    /// Who may call what.
    pub auth: auth::Config,
    /// How much is served.
    pub limits: limits::Config,
    /// Whether operators may make things go wrong on purpose.
    pub faults: faults::Config,
    /// Server reflection.
    pub reflection: Reflection,
    /// The database.
    pub store: store::Config,
    /// How changes are followed, for watches and for the cache.
    pub feed: feed::Config,
    /// What is kept in memory for `GetUser`.
    pub cache: cache::Config,
    /// The plain HTTP listener for probes.
    pub ops: ops::Config,
    /// How often this replica checks whether it can serve.
    pub readiness: readiness::Config,
    /// How it stops.
    pub drain: drain::Config,
    /// What it logs.
    pub log: logs::Config,
    /// What it tells collectors.
    pub telemetry: telemetry::Config,
}

/// Who this replica is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Instance {
    /// The name in `x-served-by`: the pod's name by default, from `POD_NAME` or `HOSTNAME`.
    pub name: String,
    /// The version in `x-version`: that of the program by default. Where several versions serve side
    /// by side, as in a canary release, it is that of the deployment: the pod's label
    /// `app.kubernetes.io/version`.
    pub version: String,
}

/// Server reflection, by which tools such as grpcurl learn the API from the server.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reflection {
    /// Whether it is served.
    pub enabled: bool,
}

/// A loader for these settings: every layer but the file and the flags, which the command line adds.
#[must_use]
pub fn loader() -> Loader {
    Loader::new(PREFIX)
        .well_known("HOSTNAME", "instance.name")
        .well_known("POD_NAME", "instance.name")
        .well_known("SPIFFE_ENDPOINT_SOCKET", "server.tls.spiffe_endpoint")
}

// === impl Settings ===

impl service_runtime::settings::Settings for Settings {
    fn validate(&self, violations: &mut Violations) {
        violations.section("instance", |it| self.instance.validate(it));
        violations.section("runtime", |it| self.runtime.validate(it));
        violations.section("server", |it| self.server.validate(it));
        violations.section("web", |it| self.web.validate(it));
        let mtls = self.server.tls.mode == Mode::Mtls;
        violations.section("auth", |it| self.auth.validate(mtls, it));
        violations.section("limits", |it| self.limits.validate(it));
        violations.section("store", |it| self.store.validate(it));
        violations.section("feed", |it| self.feed.validate(it));
        violations.section("cache", |it| {
            self.cache.validate(self.feed.poll_interval, it);
        });
        violations.section("readiness", |it| self.readiness.validate(it));
        violations.section("drain", |it| self.drain.validate(it));
        violations.section("telemetry", |it| self.telemetry.validate(it));
        let same_port = self.server.address == self.ops.address && self.ops.address.port() != 0;
        violations.expect(
            !same_port,
            "ops.address",
            "another address than server.address",
        );
    }
}

// === impl Instance ===

impl Instance {
    fn validate(&self, violations: &mut Violations) {
        let is_header =
            |value: &str| !value.is_empty() && value.bytes().all(|it| it.is_ascii_graphic());
        for (key, value) in [("name", &self.name), ("version", &self.version)] {
            violations.expect(is_header(value), key, "visible ASCII characters");
        }
    }
}

impl Default for Instance {
    fn default() -> Self {
        Self {
            name: "local".to_owned(),
            version: VERSION.to_owned(),
        }
    }
}

// === impl Reflection ===

impl Default for Reflection {
    fn default() -> Self {
        Self { enabled: true }
    }
}
