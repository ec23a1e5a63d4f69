//! Which database, and how it is used.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use service_runtime::settings::{CredentialUrl, Violations};

use super::postgres;

/// Which database, and how it is used.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `sqlite::memory:` (the default: nothing is left behind, and everything is lost at the end),
    /// `sqlite://FILE` (created when it is missing; several replicas on one machine can share it), or
    /// `postgres://USER:PASSWORD@HOST/NAME` (what replicas in a cluster share).
    pub url: CredentialUrl,
    /// SQLite only: how many connections read at the same time. A database in memory has one connection.
    pub max_readers: u32,
    /// SQLite only: how long a call waits for a connection, or for another process's write, before it is
    /// UNAVAILABLE.
    #[serde(with = "service_runtime::settings::duration")]
    pub busy_timeout: Duration,
    /// How long changes are kept: for so long a watch can be resumed, and a creation be repeated by its
    /// request id. A day outlasts any rollout, and most incidents.
    #[serde(with = "service_runtime::settings::duration")]
    pub retention: Duration,
    /// PostgreSQL only: the connections and their limits.
    pub postgres: postgres::Config,
}

// === impl Config ===

impl Config {
    /// Checks what the types cannot.
    pub fn validate(&self, violations: &mut Violations) {
        violations.expect(
            matches!(self.url.scheme(), "sqlite" | "postgres" | "postgresql"),
            "url",
            "sqlite::memory:, sqlite://FILE or postgres://USER:PASSWORD@HOST/NAME",
        );
        violations.expect(self.max_readers > 0, "max_readers", "at least 1");
        violations.expect(
            !self.busy_timeout.is_zero(),
            "busy_timeout",
            "more than zero",
        );
        violations.expect(
            self.retention >= Duration::from_mins(1),
            "retention",
            "at least 1m, the time that a watch may need to be resumed",
        );
        violations.section("postgres", |it| self.postgres.validate(it));
    }

    /// Whether everything is lost when the process ends.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        let url = self.url.expose();
        self.url.scheme() == "sqlite" && (url.contains(":memory:") || url.contains("mode=memory"))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: CredentialUrl::from_static("sqlite::memory:"),
            max_readers: 4,
            busy_timeout: Duration::from_secs(5),
            retention: Duration::from_hours(24),
            postgres: postgres::Config::default(),
        }
    }
}
