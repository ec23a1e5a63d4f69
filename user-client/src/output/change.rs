//! An event of a stream of changes, as a row and as `ProtoJSON`.

use serde::Serialize;
use user_api::v1::watch_users_response::Event;
use user_api::v1::{ChangeType, WatchUsersResponse};

use super::row::header;
use super::{Format, Resource};

/// An event in its `ProtoJSON` form.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<Change<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initial_sync_complete: Option<Empty>,
    #[serde(skip_serializing_if = "str::is_empty")]
    resume_token: &'a str,
}

#[derive(Debug, Serialize)]
struct Change<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Resource<'a>>,
}

#[derive(Debug, Serialize)]
struct Empty {}

/// The line above the rows of a stream of changes.
#[must_use]
pub fn change_header() -> String {
    format!("{:<8}  {}", "CHANGE", header())
}

/// One event as one line; `None` for a heartbeat, which says nothing to a reader.
///
/// Ends without a line break.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn change(event: &WatchUsersResponse, format: Format) -> serde_json::Result<Option<String>> {
    let (change, is_complete) = match &event.event {
        Some(Event::Change(change)) => {
            let document = Change {
                r#type: change.r#type().as_str_name(),
                user: change.user.as_ref().map(Resource::from),
            };
            (Some((change.r#type(), document)), false)
        }
        Some(Event::InitialSyncComplete(_)) => (None, true),
        Some(Event::Heartbeat(_)) | None => return Ok(None),
    };
    if format == Format::Json {
        let document = Document {
            change: change.map(|(_, document)| document),
            initial_sync_complete: is_complete.then_some(Empty {}),
            resume_token: &event.resume_token,
        };
        return serde_json::to_string(&document).map(Some);
    }
    Ok(change.map(|(kind, document)| {
        let row = document.user.map(|user| user.row()).unwrap_or_default();
        format!("{:<8}  {row}", name(kind)).trim_end().to_owned()
    }))
}

const fn name(kind: ChangeType) -> &'static str {
    match kind {
        ChangeType::Unspecified => "?",
        ChangeType::Added => "added",
        ChangeType::Updated => "updated",
        ChangeType::Deleted => "deleted",
    }
}

#[cfg(test)]
mod tests {
    // By another name than the message's, should that be an event as well.
    use user_api::v1::watch_users_response::Event as Seen;
    use user_api::v1::{Heartbeat, InitialSyncComplete, User, UserChange};

    use super::*;

    fn event(event: Seen) -> WatchUsersResponse {
        WatchUsersResponse {
            event: Some(event),
            resume_token: "t1".to_owned(),
        }
    }

    #[test]
    fn a_change_is_protojson_with_its_token() {
        let added = event(Seen::Change(UserChange {
            r#type: ChangeType::Added.into(),
            user: Some(User {
                id: "7".to_owned(),
                ..User::default()
            }),
        }));
        let line = change(&added, Format::Json).unwrap().expect("a line");
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json["change"]["type"], "CHANGE_TYPE_ADDED");
        assert_eq!(json["change"]["user"]["id"], "7");
        assert_eq!(json["resumeToken"], "t1");
        let row = change(&added, Format::Text).unwrap().expect("a row");
        assert!(row.starts_with("added     7"), "{row}");
    }

    #[test]
    fn machines_are_told_that_the_initial_state_is_over_and_nobody_of_heartbeats() {
        let complete = event(Seen::InitialSyncComplete(InitialSyncComplete {}));
        assert_eq!(
            change(&complete, Format::Json).unwrap().as_deref(),
            Some(r#"{"initialSyncComplete":{},"resumeToken":"t1"}"#)
        );
        assert_eq!(change(&complete, Format::Text).unwrap(), None);
        let heartbeat = event(Seen::Heartbeat(Heartbeat {}));
        assert_eq!(change(&heartbeat, Format::Json).unwrap(), None);
    }
}
