//! Plain HTTP for probes and operators, on a port of its own that never leaves the cluster:
//! `/livez`, `/readyz`, `/metrics`, `/log-level`, `/version`, and what else a program has
//! ([`Bound::also`]).
//!
//! It is apart from gRPC so that a probe needs neither HTTP/2 nor a certificate, and is answered
//! until the last call has finished.

mod log_level;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::extract;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use crate::chain::Chain;
use crate::logs::Logs;
use crate::readiness::{Outcome, Readiness, State};
use crate::server::{self, ListenError};
use crate::telemetry::Telemetry;

/// What exists, for whoever asks for something else.
const PATHS: &str = "/livez\n/readyz\n/metrics\n/log-level\n/version\n";

/// Where to listen.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The address and port. Port 0 takes any free one.
    #[serde(with = "crate::settings::address")]
    pub address: SocketAddr,
}

/// The port is bound; nothing is answered yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    local_address: SocketAddr,
    /// What else there is, and where.
    also: Vec<(&'static str, Router)>,
    logs: Option<Logs>,
}

/// Answers until it is dropped.
#[derive(Debug)]
pub struct Running {
    _task: AbortOnDropHandle<()>,
}

/// What `/version` shows.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Version {
    /// The program's name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

/// What `/readyz` shows as JSON.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    state: State,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    details: BTreeMap<&'static str, String>,
}

#[derive(Clone)]
struct Ops {
    readiness: Readiness,
    telemetry: Telemetry,
    version: Version,
}

// === impl Config ===

impl Config {
    /// Takes the port. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When the address is in use, is not one of this machine's, or needs a privilege.
    pub fn bind(self) -> Result<Bound, ListenError> {
        let (listener, local_address) = server::listen(self.address)?;
        Ok(Bound {
            listener,
            local_address,
            also: Vec::new(),
            logs: None,
        })
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::UNSPECIFIED, 9090).into(),
        }
    }
}

// === impl Bound ===

impl Bound {
    /// The address that was bound, with the real port when port 0 was asked for.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// Answers `path`, and what is below it, by these routes, too.
    #[must_use]
    pub fn also(mut self, path: &'static str, routes: Router) -> Self {
        self.also.push((path, routes));
        self
    }

    /// Lets operators change how much these logs say; without them `/log-level` is not implemented.
    #[must_use]
    pub fn with_logs(self, logs: Option<Logs>) -> Self {
        Self { logs, ..self }
    }

    /// Starts to answer.
    #[must_use]
    pub fn serve(self, readiness: Readiness, telemetry: Telemetry, version: Version) -> Running {
        let mut paths = PATHS.to_owned();
        let mut routes = Router::new()
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .route("/log-level", log_level::route(self.logs))
            .route("/version", get(show_version))
            .with_state(Ops {
                readiness,
                telemetry,
                version,
            });
        for (path, more) in self.also {
            paths = paths + path + "\n";
            routes = routes.merge(more);
        }
        let routes = routes.fallback(async || (StatusCode::NOT_FOUND, paths));
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(self.listener, routes).await {
                tracing::error!(error = %Chain(&error), "the ops listener ended");
            }
        });
        Running {
            _task: AbortOnDropHandle::new(task),
        }
    }
}

/// The process runs. It says nothing of its dependencies: restarting the pod would not mend them.
async fn livez() -> &'static str {
    "ok\n"
}

async fn readyz(extract::State(ops): extract::State<Ops>, headers: HeaderMap) -> Response {
    let state = ops.readiness.state();
    let status = if state.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let details = ops.readiness.details();
    if wants_json(&headers) {
        return (status, Json(Shown { state, details })).into_response();
    }
    let mut text = String::new();
    for (name, outcome) in &state.checks {
        let word = match outcome {
            Outcome::Pending => "pending",
            Outcome::Ok => "ok",
            Outcome::Failed => "failed",
            Outcome::TimedOut => "timed out",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}: {word}");
    }
    for (name, detail) in &details {
        let _ = writeln!(text, "{name}: {detail}");
    }
    text.push_str(match (state.draining, state.ready) {
        (true, _) => "draining\n",
        (false, true) => "ready\n",
        (false, false) => "not ready\n",
    });
    (status, text).into_response()
}

async fn metrics(extract::State(ops): extract::State<Ops>) -> Response {
    match ops.telemetry.text() {
        Ok(text) => ([(header::CONTENT_TYPE, Telemetry::MEDIA_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(error = %Chain(&error), "no metrics can be shown");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn show_version(extract::State(ops): extract::State<Ops>) -> Json<Version> {
    Json(ops.version)
}

fn wants_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/json"))
}
