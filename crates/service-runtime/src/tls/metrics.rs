//! What can be measured of TLS, as OpenTelemetry instruments.
//!
//! | instrument | in Prometheus | what it says |
//! |---|---|---|
//! | `tls.certificate.expiry` | `tls_certificate_expiry_seconds` | for how long the certificate in use is still valid; negative when it is not |
//! | `tls.files.rejected` | `tls_files_rejected` | 1 while newer files are there that cannot be used, otherwise 0 |
//! | `tls.handshake.failures` | `tls_handshake_failures_total` | handshakes that failed, by `reason` ([`Failure::reason`]) |

use jiff::Timestamp;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Meter};
use tokio::sync::watch;

use super::handshake::Failure;
use super::reload::{Reloader, Status};

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
        // Callbacks belong to the meter; the instruments themselves need not be kept.
        let _ = meter
            .f64_observable_gauge("tls.certificate.expiry")
            .with_unit("s")
            .with_description("For how long the certificate in use is still valid")
            .with_callback({
                let status = status.clone();
                move |observer| {
                    if let Some(seconds) = seconds_left(&status, Timestamp::now()) {
                        observer.observe(seconds, &[]);
                    }
                }
            })
            .build();
        let _ = meter
            .u64_observable_gauge("tls.files.rejected")
            .with_description("1 while newer files of TLS cannot be used")
            .with_callback(move |observer| {
                observer.observe(u64::from(status.borrow().rejected.is_some()), &[]);
            })
            .build();
        Self {
            failures: meter
                .u64_counter("tls.handshake.failures")
                .with_unit("{handshake}")
                .with_description("Handshakes that failed, by reason")
                .build(),
        }
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
