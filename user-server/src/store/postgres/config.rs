//! The connections to PostgreSQL, and their limits.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use service_runtime::settings::Violations;

/// The connections to PostgreSQL, and their limits. The limits nest: a statement ends before its call
/// does, and a call that cannot begin ends before one that runs.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How many connections this replica uses for calls; the README says how to size them. Up to
    /// three more listen for changes, tell of them, and check whether the database answers. All replicas together must stay below the server's `max_connections`.
    pub max_connections: u32,
    /// How many calls may wait for a connection. Beyond that a call is UNAVAILABLE at once: when the
    /// database stalls, waiting calls would pile up and only make the recovery longer.
    pub max_waiting: u32,
    /// How long a call waits for a connection, which is also how long connecting may take. Longer than
    /// a failover's first refusals, shorter than a caller's patience.
    #[serde(with = "service_runtime::settings::duration")]
    pub acquire_timeout: Duration,
    /// After which time the server cancels a statement.
    #[serde(with = "service_runtime::settings::duration")]
    pub statement_timeout: Duration,
    /// How long one call may take in the store, with all its statements, waits and repetitions. Also
    /// ends the wait for a server that does not even answer.
    #[serde(with = "service_runtime::settings::duration")]
    pub call_timeout: Duration,
    /// When a connection is replaced, so that after a failover all of them are new in the end.
    #[serde(with = "service_runtime::settings::duration")]
    pub max_lifetime: Duration,
    /// When an unused connection is closed.
    #[serde(with = "service_runtime::settings::duration")]
    pub idle_timeout: Duration,
    /// Whether to tell and be told of changes by LISTEN and NOTIFY. Without them (CockroachDB and
    /// PgBouncer have none) changes are found by asking, every `feed.poll_interval`.
    pub notifications: bool,
}

// === impl Config ===

impl Config {
    /// Checks what the types cannot.
    pub fn validate(&self, violations: &mut Violations) {
        violations.expect(
            (2..=1000).contains(&self.max_connections),
            "max_connections",
            "2 to 1000",
        );
        for (name, duration) in [
            ("acquire_timeout", self.acquire_timeout),
            ("statement_timeout", self.statement_timeout),
            ("call_timeout", self.call_timeout),
            ("max_lifetime", self.max_lifetime),
            ("idle_timeout", self.idle_timeout),
        ] {
            violations.expect(!duration.is_zero(), name, "more than zero");
        }
        violations.expect(
            self.statement_timeout < self.call_timeout,
            "statement_timeout",
            "less than call_timeout",
        );
        violations.expect(
            self.acquire_timeout < self.call_timeout,
            "acquire_timeout",
            "less than call_timeout",
        );
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: 16,
            max_waiting: 256,
            acquire_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(8),
            max_lifetime: Duration::from_mins(30),
            idle_timeout: Duration::from_mins(10),
            notifications: true,
        }
    }
}
