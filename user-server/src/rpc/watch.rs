//! `WatchUsers`.

use futures_util::stream;
use tonic::codegen::BoxStream;
use tonic::metadata::MetadataMap;
use user_api::v1::watch_users_request::Start as ProtoStart;
use user_api::v1::watch_users_response::Event as ProtoEvent;
use user_api::v1::{
    Heartbeat, InitialSyncComplete, UserChange, WatchUsersRequest, WatchUsersResponse,
};

use super::error::Error;
use super::{Service, convert, status};
use crate::domain::Violations;
use crate::feed::{Event, Item, Start, Watch};
use crate::store::Store;

pub(super) fn watch<S: Store>(
    service: &Service<S>,
    request: &WatchUsersRequest,
    metadata: MetadataMap,
) -> Result<BoxStream<WatchUsersResponse>, Error> {
    let start = parse(request)?;
    let watch = Watch::new(service.store.clone(), service.feed.clone(), start);
    // Pulled: the next event is looked for when the connection has room for it.
    let events = stream::unfold((watch, metadata), |(mut watch, metadata)| async {
        let event = match watch.next().await? {
            Ok(item) => Ok(response(item)),
            Err(error) => Err(status::of(Error::Watch(error), &metadata)),
        };
        Some((event, (watch, metadata)))
    });
    Ok(Box::pin(events))
}

fn parse(request: &WatchUsersRequest) -> Result<Start, Violations> {
    match &request.start {
        None => Ok(Start::Now),
        Some(ProtoStart::InitialSync(true)) => Ok(Start::Initial),
        Some(ProtoStart::InitialSync(false)) => Err(Violations::one(
            "initial_sync",
            "must be true when it is set",
        )),
        Some(ProtoStart::ResumeToken(token)) => token
            .parse()
            .map(Start::Resume)
            .map_err(|error| Violations::one("resume_token", format!("{error}"))),
    }
}

fn response(item: Item) -> WatchUsersResponse {
    let event = match item.event {
        Event::Change(change) => ProtoEvent::Change(UserChange {
            r#type: convert::change_type(change.kind).into(),
            user: Some(convert::user(&change.user)),
        }),
        Event::InitialSyncComplete => ProtoEvent::InitialSyncComplete(InitialSyncComplete {}),
        Event::Heartbeat => ProtoEvent::Heartbeat(Heartbeat {}),
    };
    WatchUsersResponse {
        event: Some(event),
        resume_token: item.resume.to_string(),
    }
}
