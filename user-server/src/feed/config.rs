//! How changes are followed.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use service_runtime::settings::Violations;

/// How changes are followed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long this replica waits for news of changes before it asks by itself: the longest that a
    /// change of another replica goes unnoticed when its notification is lost, or the database has none
    /// (SQLite, CockroachDB). Each time costs two small statements.
    #[serde(with = "service_runtime::settings::duration")]
    pub poll_interval: Duration,
    /// How many changes a watch may be behind before it is ended with `RESOURCE_EXHAUSTED`; also the size
    /// of the ring that all watches share, some 500 bytes for each change.
    pub capacity: u32,
    /// After which silence a watch says that it is alive. Well below the minute after which common
    /// proxies close an idle stream.
    #[serde(with = "service_runtime::settings::duration")]
    pub heartbeat: Duration,
}

// === impl Config ===

impl Config {
    /// Checks what the types cannot.
    pub fn validate(&self, violations: &mut Violations) {
        violations.expect(
            !self.poll_interval.is_zero(),
            "poll_interval",
            "more than zero",
        );
        violations.expect(
            (1..=1_048_576).contains(&self.capacity),
            "capacity",
            "1 to 1048576",
        );
        violations.expect(!self.heartbeat.is_zero(), "heartbeat", "more than zero");
    }

    pub(super) fn capacity(&self) -> usize {
        usize::try_from(self.capacity).unwrap_or(usize::MAX)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_secs(1),
            capacity: 4096,
            heartbeat: Duration::from_secs(20),
        }
    }
}
