//! `grpc.health.v1`, to the letter of its specification: `Check`, `Watch` and `List`.
//!
//! The messages are `tonic-health`'s; the service is written here because that crate's 0.14 answers `Watch` on an unknown service with an error
//! where the specification wants `SERVICE_UNKNOWN`, starts as serving before anything listens, and
//! has no `List`. Here every service is `NOT_SERVING` until somebody says otherwise, and once the
//! process drains it stays so.

mod service;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

pub use self::pb::health_check_response::ServingStatus;
pub use self::service::{HealthServer, Service};

/// The client and the server of package `grpc.health.v1`, with tonic-health's messages and those that
/// it lacks.
#[allow(
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    reason = "generated code; its documentation is the .proto's comments"
)]
pub mod pb {
    pub use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_check_response};

    tonic::include_proto!("grpc.health.v1");
}

/// The descriptors of package `grpc.health.v1`, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb"));

/// The name of the server as a whole.
pub const OVERALL: &str = "";

/// The name under which the process itself is asked for: `SERVING` as long as anything is answered,
/// whatever the services' status is. A kubelet's liveness probe asks it (`grpc.service: liveness`):
/// with [`OVERALL`] it would restart the replicas of a service whose database is away.
pub const LIVENESS: &str = "liveness";

/// Says how the services are. Clones speak for the same server.
#[derive(Clone, Debug)]
pub struct Reporter {
    board: watch::Sender<Board>,
}

/// Everything that the three methods answer from.
#[derive(Clone, Debug)]
struct Board {
    statuses: BTreeMap<Arc<str>, bool>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The statuses are as reported.
    Open,
    /// Nothing is serving any more, whatever is reported.
    Draining,
    /// Watches end.
    Closed,
}

// === impl Reporter ===

impl Reporter {
    /// A reporter for these services and for the server as a whole, all `NOT_SERVING`, and for
    /// [`LIVENESS`].
    pub fn new<'a>(services: impl IntoIterator<Item = &'a str>) -> Self {
        let statuses = services
            .into_iter()
            .chain([OVERALL, LIVENESS])
            .map(|service| (Arc::from(service), false))
            .collect();
        Self {
            board: watch::Sender::new(Board {
                statuses,
                phase: Phase::Open,
            }),
        }
    }

    /// Adds a service, `NOT_SERVING`. Whoever watches it already learns so. One that is known stays
    /// as it is.
    pub fn register(&self, service: &str) {
        self.board.send_if_modified(|board| {
            let known = board.statuses.contains_key(service);
            board.statuses.entry(Arc::from(service)).or_insert(false);
            !known
        });
    }

    /// Reports one service; [`OVERALL`] is the server as a whole. One that was never registered is
    /// registered by it. Without effect once [`Reporter::drain`] was called.
    pub fn set(&self, service: &str, serving: bool) {
        self.board.send_if_modified(|board| {
            board.statuses.insert(Arc::from(service), serving) != Some(serving)
        });
    }

    /// Reports all services at once, and the server as a whole.
    pub fn set_all(&self, serving: bool) {
        self.board.send_if_modified(|board| {
            let mut changed = false;
            for status in board.statuses.values_mut() {
                changed |= *status != serving;
                *status = serving;
            }
            changed
        });
    }

    /// Makes everything `NOT_SERVING`, for good.
    pub fn drain(&self) {
        self.advance(Phase::Draining);
    }

    /// Ends every `Watch`, for good; they would keep their connections from draining otherwise.
    pub fn close(&self) {
        self.advance(Phase::Closed);
    }

    /// Waits until [`Reporter::close`]: when streams that would last for ever have to end. Cancel-safe.
    pub async fn closed(&self) {
        let mut board = self.board.subscribe();
        // The sender lives as long as `self`, so that this cannot fail.
        let _ = board.wait_for(|board| board.phase == Phase::Closed).await;
    }

    /// The status of a service, or `None` when it is not registered.
    #[must_use]
    pub fn status(&self, service: &str) -> Option<ServingStatus> {
        self.board.borrow().status(service)
    }

    fn advance(&self, phase: Phase) {
        self.board.send_if_modified(|board| {
            let changed = (board.phase as u8) < phase as u8;
            if changed {
                board.phase = phase;
            }
            changed
        });
    }
}

// === impl Board ===

impl Board {
    fn status(&self, service: &str) -> Option<ServingStatus> {
        self.statuses.get(service).map(|serving| {
            if (*serving && self.phase == Phase::Open) || service == LIVENESS {
                ServingStatus::Serving
            } else {
                ServingStatus::NotServing
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_serves_until_it_is_told() {
        let health = Reporter::new(["a.v1.A"]);
        assert_eq!(health.status("a.v1.A"), Some(ServingStatus::NotServing));
        assert_eq!(health.status(OVERALL), Some(ServingStatus::NotServing));
        assert_eq!(health.status("b.v1.B"), None);
        health.set("a.v1.A", true);
        assert_eq!(health.status("a.v1.A"), Some(ServingStatus::Serving));
        assert_eq!(
            health.status(OVERALL),
            Some(ServingStatus::NotServing),
            "one service does not speak for the server"
        );
    }

    #[test]
    fn a_draining_server_never_serves_again() {
        let health = Reporter::new(["a.v1.A"]);
        health.set_all(true);
        health.drain();
        health.set_all(true);
        health.set("a.v1.A", true);
        assert_eq!(health.status("a.v1.A"), Some(ServingStatus::NotServing));
        assert_eq!(health.status(OVERALL), Some(ServingStatus::NotServing));
    }

    #[test]
    fn a_process_lives_whatever_its_services_do() {
        let health = Reporter::new(["a.v1.A"]);
        let alive = Some(ServingStatus::Serving);
        assert_eq!(
            health.status(LIVENESS),
            alive,
            "before its services are ready"
        );
        health.set_all(false);
        assert_eq!(health.status(LIVENESS), alive, "while none of them serves");
        health.drain();
        assert_eq!(health.status(LIVENESS), alive, "while it drains");
    }
}
