//! `/log-level`: how much is logged, shown and changed while the process runs. GET shows the filter in
//! force, PUT replaces it, DELETE goes back to the settings'; all of them answer with what is in force
//! then. A restart forgets it.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};

use crate::chain::Chain;
use crate::logs::{Filter, Logs};

/// The longest filter that is read, in bytes.
const LONGEST: usize = 4 << 10;

/// Answers for these logs; `None` where the process has others, which nobody here can change.
pub(super) fn route<S: Clone + Send + Sync + 'static>(logs: Option<Logs>) -> MethodRouter<S> {
    get(show)
        .put(replace)
        .delete(reset)
        .layer(DefaultBodyLimit::max(LONGEST))
        .with_state(logs)
}

async fn show(State(logs): State<Option<Logs>>) -> Response {
    logs.map_or_else(not_ours, |logs| in_force(&logs))
}

async fn replace(State(logs): State<Option<Logs>>, body: Bytes) -> Response {
    let Some(logs) = logs else { return not_ours() };
    let text = String::from_utf8_lossy(&body);
    match text.parse::<Filter>() {
        Ok(filter) => change(&logs, filter),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{}\n", Chain(&error))).into_response(),
    }
}

async fn reset(State(logs): State<Option<Logs>>) -> Response {
    let Some(logs) = logs else { return not_ours() };
    let filter = logs.settings().clone();
    change(&logs, filter)
}

fn change(logs: &Logs, filter: Filter) -> Response {
    match logs.change(filter) {
        Ok(()) => in_force(logs),
        Err(error) => {
            tracing::error!(error = %Chain(&error), "the filter of the logs cannot be changed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn in_force(logs: &Logs) -> Response {
    format!("{}\n", logs.filter()).into_response()
}

fn not_ours() -> Response {
    let why = "this server runs in a program that has started the logs by itself: \
               they cannot be changed here\n";
    (StatusCode::NOT_IMPLEMENTED, why).into_response()
}
