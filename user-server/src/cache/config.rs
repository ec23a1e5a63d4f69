//! How much is cached, and for how long it may be trusted.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use service_runtime::settings::Violations;

/// How much is cached, and for how long it may be trusted.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether anything is.
    pub enabled: bool,
    /// How many resources at the most, some 500 bytes each.
    pub max_entries: u64,
    /// How old a served value may be: a change that another replica made is seen after this time at the
    /// latest. Normally it is seen within milliseconds of its notification; this is the bound when
    /// notifications are lost or the database cannot be heard. More than `feed.poll_interval`, for
    /// otherwise the cache would be left unused between two looks.
    #[serde(with = "service_runtime::settings::duration")]
    pub max_staleness: Duration,
}

// === impl Config ===

impl Config {
    /// Checks what the types cannot.
    pub fn validate(&self, poll_interval: Duration, violations: &mut Violations) {
        violations.expect(self.max_entries > 0, "max_entries", "at least 1");
        violations.expect(
            !self.enabled || self.max_staleness > poll_interval,
            "max_staleness",
            "more than feed.poll_interval",
        );
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            max_entries: 10_000,
            max_staleness: Duration::from_secs(3),
        }
    }
}
