//! What can be measured of TLS: the instruments [`CERTIFICATE_EXPIRY`], [`FILES_REJECTED`] and
//! [`HANDSHAKE_FAILURES`], by [`Failure::reason`].

use jiff::Timestamp;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Meter};
use tokio::sync::watch;

use super::handshake::Failure;
use super::reload::{Reloader, Status};
use crate::telemetry::instruments::{CERTIFICATE_EXPIRY, FILES_REJECTED, HANDSHAKE_FAILURES};

/// The instruments of one listener. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    failures: Counter<u64>,
}

// === impl Metrics ===

impl Metrics {
    /// Makes the instruments, and lets `meter` observe `identity` as long as its provider lives.
    #[must_use]
    pub fn new<T: Send + Sync + 'static>(meter: &Meter, identity: &Reloader<T>) -> Self {
        let status = identity.status_of();
        CERTIFICATE_EXPIRY.observe(meter, {
            let status = status.clone();
            move || seconds_left(&status, Timestamp::now())
        });
        FILES_REJECTED.observe(meter, move || {
            let rejected = status.borrow().rejected.is_some();
            Some(if rejected { 1.0 } else { 0.0 })
        });
        let failures = HANDSHAKE_FAILURES.counter(meter);
        for reason in Failure::REASONS {
            // A series that begins with its first failure would hide that failure from every rate.
            failures.add(0, &[KeyValue::new("reason", reason)]);
        }
        Self { failures }
    }

    pub(super) fn failed(&self, failure: &Failure) {
        let reason = KeyValue::new("reason", failure.reason());
        self.failures.add(1, &[reason]);
    }
}

fn seconds_left(status: &watch::Receiver<Status>, now: Timestamp) -> Option<f64> {
    let not_after = status.borrow().not_after?;
    Some(not_after.duration_since(now).as_secs_f64())
}
