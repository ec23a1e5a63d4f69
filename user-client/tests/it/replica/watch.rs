//! `WatchUsers`: the log from a place on, and what comes.
//!
//! A resume token is the number of changes before it. The entries of an initial sync carry none:
//! nothing but the whole state can continue it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use user_api::v1::watch_users_request::Start;
use user_api::v1::watch_users_response::Event;
use user_api::v1::{ChangeType, Heartbeat, InitialSyncComplete, UserChange, WatchUsersResponse};

use super::Store;

type Item = Result<WatchUsersResponse, Status>;

/// Streams from `start` until the caller goes, the replica drains, or `limit` changes were sent.
pub(super) fn stream(
    store: &Arc<Store>,
    start: Option<Start>,
    limit: usize,
    draining: tokio::sync::watch::Receiver<bool>,
) -> Result<ReceiverStream<Item>, Status> {
    let (events, stream) = mpsc::channel(16);
    let (state, now) = store.snapshot();
    let (first, seen) = match start {
        None => (vec![event(Event::Heartbeat(Heartbeat {}), now)], now),
        Some(Start::InitialSync(_)) => {
            let mut first: Vec<_> = state.into_iter().map(existing).collect();
            first.push(event(
                Event::InitialSyncComplete(InitialSyncComplete {}),
                now,
            ));
            (first, now)
        }
        Some(Start::ResumeToken(token)) => {
            let seen = token.parse().map_err(|_| malformed())?;
            store.changes_after(seen).ok_or_else(expired)?;
            (Vec::new(), seen)
        }
    };
    tokio::spawn(run(store.clone(), first, seen, limit, draining, events));
    Ok(ReceiverStream::new(stream))
}

async fn run(
    store: Arc<Store>,
    first: Vec<WatchUsersResponse>,
    mut seen: usize,
    limit: usize,
    mut draining: tokio::sync::watch::Receiver<bool>,
    events: mpsc::Sender<Item>,
) {
    let mut sent = 0;
    let mut more = store.changes.subscribe();
    for event in first {
        if events.send(Ok(event)).await.is_err() {
            return;
        }
    }
    loop {
        more.mark_unchanged();
        for change in store.changes_after(seen).unwrap() {
            if sent == limit {
                let mut details = ErrorDetails::new();
                details.set_retry_info(Some(Duration::from_millis(10)));
                let slow = "this caller reads too slowly";
                let status = Status::with_error_details(Code::ResourceExhausted, slow, details);
                let _gone = events.send(Err(status)).await;
                return;
            }
            seen += 1;
            sent += 1;
            let item = event(Event::Change(change), seen);
            if events.send(Ok(item)).await.is_err() {
                return;
            }
        }
        let drains = tokio::select! {
            _ = draining.wait_for(|draining| *draining) => true,
            _ = more.changed() => false,
            () = events.closed() => return,
        };
        if drains {
            let status = Status::unavailable("this replica drains");
            let _gone = events.send(Err(status)).await;
            return;
        }
    }
}

fn event(event: Event, seen: usize) -> WatchUsersResponse {
    WatchUsersResponse {
        event: Some(event),
        resume_token: seen.to_string(),
    }
}

fn existing(user: user_api::v1::User) -> WatchUsersResponse {
    let change = UserChange {
        r#type: ChangeType::Added.into(),
        user: Some(user),
    };
    WatchUsersResponse {
        event: Some(Event::Change(change)),
        resume_token: String::new(),
    }
}

fn malformed() -> Status {
    let mut details = ErrorDetails::new();
    details.add_bad_request_violation("resume_token", "is none that this service has made");
    Status::with_error_details(Code::InvalidArgument, "the request is not valid", details)
}

fn expired() -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info("RESUME_TOKEN_EXPIRED", "example.com", []);
    Status::with_error_details(
        Code::OutOfRange,
        "these changes are not kept any more",
        details,
    )
}
