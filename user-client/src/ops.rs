//! The client's own ops listener: plain HTTP for probes, for Prometheus and for operators, while a command
//! runs that lasts.
//!
//! The server's is the same one ([`service_runtime::ops`]); what only a client has is `/channel`, its view
//! of the replicas. It is off unless an address is set: most commands are over before anybody could look.

mod channel;

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::response::Json;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use service_runtime::health::Reporter;
use service_runtime::logs::Logs;
use service_runtime::ops::{self, Version};
use service_runtime::readiness::{self, Check, Probe, Probes, Readiness};
use service_runtime::server::ListenError;
use service_runtime::settings::address;
use service_runtime::telemetry::Telemetry;

use self::channel::Shown;
use crate::connect::{self, Channel};

/// Where the channel is shown.
const CHANNEL: &str = "/channel";

/// Where to listen.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The address and port, or `"off"`. Commands that last listen there: `load` and `watch`.
    #[serde(with = "address::or_off")]
    pub address: Option<SocketAddr>,
}

/// The port is bound; nothing is answered yet.
#[derive(Debug)]
pub struct Bound(ops::Bound);

/// Answers until it is dropped.
#[derive(Debug)]
pub struct Running {
    _ops: ops::Running,
    _probes: Probes,
}

/// Whether a replica takes calls.
struct ReplicaReady(Channel);

/// The channel has no replica that takes calls.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no replica is READY; /channel says why")]
struct NotReady;

// === impl Config ===

impl Config {
    /// Takes the port; `None` when it is off. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When the address is in use, is not one of this machine's, or needs a privilege.
    pub fn bind(&self) -> Result<Option<Bound>, ListenError> {
        let bound = self.address.map(|address| ops::Config { address }.bind());
        Ok(bound.transpose()?.map(Bound))
    }
}

// === impl Bound ===

impl Bound {
    /// The address that was bound, with the real port when port 0 was asked for.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.0.local_address()
    }

    /// Starts to answer: `/readyz` whether a replica is READY, `/channel` what the channel knows,
    /// `/metrics` what this telemetry has collected.
    #[must_use]
    pub fn serve(self, channel: &Channel, telemetry: Telemetry, logs: Option<Logs>) -> Running {
        let checks: Vec<Box<dyn Check>> = vec![Box::new(ReplicaReady(channel.clone()))];
        // Nobody asks a client for its health by gRPC.
        let health = Reporter::new([]);
        let (readiness, probes) = Readiness::start(&readiness::Config::default(), checks, &health);
        let routes = Router::new()
            .route(CHANNEL, get(show))
            .with_state(channel.clone());
        let version = Version {
            name: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
        };
        let bound = self.0.with_logs(logs).also(CHANNEL, routes);
        Running {
            _ops: bound.serve(readiness, telemetry, version),
            _probes: probes,
        }
    }
}

async fn show(State(channel): State<Channel>) -> Json<Shown> {
    Json(Shown::from(&channel.stats()))
}

// === impl ReplicaReady ===

impl Check for ReplicaReady {
    fn name(&self) -> &'static str {
        "replicas"
    }

    fn probe(&self) -> Probe<'_> {
        let stats = self.0.stats();
        let is_ready = stats
            .targets()
            .any(|it| it.in_use && it.state == connect::State::Ready);
        Box::pin(async move { is_ready.then_some(()).ok_or_else(|| NotReady.into()) })
    }
}
