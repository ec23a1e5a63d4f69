//! Faults on the ops listener, for `curl` and for command lines.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /faults` | shows those that are set |
//! | `PUT /faults/METHOD` | sets one, by a [`Fault`] as JSON, in the place of the one that was there |
//! | `DELETE /faults/METHOD` | ends that one |
//! | `DELETE /faults` | ends all of them |
//!
//! `METHOD` is `*` for all, `Method`, or `package.Service/Method`. The answers are [`Document`]s: what is
//! set, or what was just set or ended. A refusal is a [`Refusal`]: 400 for what is no fault, 403 where the
//! settings allow none, 404 for a method that is not served. What is not set is ended already: that is an
//! empty [`Document`].

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, put};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Active, Disabled, Fault, Faults, Scope};
use crate::settings::duration;

/// Where they are.
pub const PATH: &str = "/faults";

/// What one replica says of its faults.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Document {
    /// Which replica it is, by its own name.
    pub replica: String,
    /// Its faults.
    pub faults: Vec<Shown>,
}

/// One fault that is set.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Shown {
    /// Whose calls meet it: `package.Service/Method`, or `*`.
    pub method: String,
    /// What they meet.
    pub fault: Fault,
    /// How much is left of its time, in whole seconds; `"off"` when only a clear ends it.
    #[serde(with = "duration::or_off")]
    pub remaining: Option<Duration>,
    /// How many calls have met it.
    pub calls: u64,
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Refusal {
    /// The reason, and what was expected.
    pub error: String,
}

#[derive(Clone)]
struct Here {
    faults: Faults,
    replica: Arc<str>,
}

type Answer = Result<Json<Document>, (StatusCode, Refusal)>;

/// The routes of a replica of this name.
pub fn routes(faults: Faults, replica: &str) -> Router {
    let replica = replica.into();
    Router::new()
        .route(PATH, get(list).delete(clear_all))
        .route("/faults/{*method}", put(set).delete(clear))
        .with_state(Here { faults, replica })
}

async fn list(State(here): State<Here>) -> Answer {
    let set = here.faults.list().map_err(forbidden)?;
    Ok(here.document(&set))
}

async fn set(State(here): State<Here>, Path(method): Path<String>, body: Bytes) -> Answer {
    let scope = here.scope(&method)?;
    let json = &mut serde_json::Deserializer::from_slice(&body);
    let fault: Fault = serde_path_to_error::deserialize(json)
        .map_err(|error| (StatusCode::BAD_REQUEST, error.to_string().into()))?;
    fault
        .validate()
        .map_err(|error| (StatusCode::BAD_REQUEST, error.to_string().into()))?;
    let active = here.faults.set(&scope, fault).map_err(forbidden)?;
    Ok(here.document(&[active]))
}

async fn clear(State(here): State<Here>, Path(method): Path<String>) -> Answer {
    let scope = here.scope(&method)?;
    let cleared = here.faults.clear(&scope).map_err(forbidden)?;
    Ok(here.document(cleared.as_slice()))
}

async fn clear_all(State(here): State<Here>) -> Answer {
    let cleared = here.faults.clear_all().map_err(forbidden)?;
    Ok(here.document(&cleared))
}

fn forbidden(disabled: Disabled) -> (StatusCode, Refusal) {
    (StatusCode::FORBIDDEN, disabled.to_string().into())
}

// === impl Here ===

impl Here {
    fn scope(&self, method: &str) -> Result<Scope, (StatusCode, Refusal)> {
        let scope = self.faults.scope(method);
        let scope = scope.ok_or_else(|| forbidden(Disabled))?;
        scope.map_err(|error| (StatusCode::NOT_FOUND, error.to_string().into()))
    }

    fn document(&self, faults: &[Active]) -> Json<Document> {
        let now = Instant::now();
        Json(Document {
            replica: self.replica.as_ref().to_owned(),
            faults: faults.iter().map(|it| Shown::of(it, now)).collect(),
        })
    }
}

// === impl Shown ===

impl Shown {
    fn of(active: &Active, now: Instant) -> Self {
        // Rounded up: what is left is not over.
        let left = |end: Instant| {
            let left = end.saturating_duration_since(now);
            Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0))
        };
        Self {
            method: active.scope.to_string(),
            fault: active.fault.clone(),
            remaining: active.ends.map(left),
            calls: active.calls,
        }
    }
}

// === impl Refusal ===

impl From<String> for Refusal {
    fn from(error: String) -> Self {
        Self { error }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}
