//! `WatchUsers`, over real sockets, on two replicas of one database.

use std::time::Duration;

use service_runtime::drain::Outcome;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt as _;
use user_api::v1;
use user_api::v1::watch_users_request::Start;
use user_api::v1::watch_users_response::Event;
use user_server::settings::Settings;

use crate::calls::violated;
use crate::running::{Running, Shared, creation, databases, draft, settings, soon};

/// One stream, and what was received of it.
struct Watcher {
    events: Streaming<v1::WatchUsersResponse>,
    token: String,
}

/// PostgreSQL tells of changes and is not asked; SQLite can only be asked.
fn replica(database: &Shared) -> Settings {
    let mut settings = settings(&database.url);
    let is_embedded = database.url.starts_with("sqlite");
    settings.feed.poll_interval = if is_embedded {
        Duration::from_millis(20)
    } else {
        Duration::from_mins(10)
    };
    settings.cache.enabled = false;
    settings.drain.deadline = Duration::from_hours(1);
    settings
}

async fn create(server: &Running, email: &str) -> v1::User {
    let mut client = server.client().await;
    let created = client.create_user(creation("Ada", email)).await.unwrap();
    created.into_inner().user.unwrap()
}

fn token_of(status: &Status) -> String {
    let details = status.get_error_details();
    details.error_info().unwrap().metadata["resume_token"].clone()
}

fn reason(status: &Status) -> String {
    status
        .get_error_details()
        .error_info()
        .unwrap()
        .reason
        .clone()
}

// === impl Watcher ===

impl Watcher {
    async fn start(server: &Running, start: Option<Start>) -> Self {
        let request = v1::WatchUsersRequest { start };
        let events = server.client().await.watch_users(request).await.unwrap();
        Self {
            events: events.into_inner(),
            token: String::new(),
        }
    }

    async fn resume(server: &Running, token: &str) -> Self {
        Self::start(server, Some(Start::ResumeToken(token.to_owned()))).await
    }

    /// From now; the first heartbeat says that it has begun.
    async fn from_now(server: &Running) -> Self {
        let mut watcher = Self::start(server, None).await;
        assert!(matches!(watcher.event().await, Ok(Event::Heartbeat(_))));
        watcher
    }

    async fn event(&mut self) -> Result<Event, Status> {
        let response = soon("an event", self.events.message()).await?;
        let response = response.expect("a watch never ends without an error");
        self.token = response.resume_token;
        Ok(response.event.unwrap())
    }

    /// The next change, whatever heartbeats there are.
    async fn change(&mut self) -> Result<(v1::ChangeType, v1::User), Status> {
        loop {
            match self.event().await? {
                Event::Change(change) => return Ok((change.r#type(), change.user.unwrap())),
                Event::Heartbeat(_) => {}
                Event::InitialSyncComplete(_) => panic!("the initial state must be at its end"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_on_one_replica_is_seen_by_a_watch_on_the_other() {
    for database in databases().await {
        let a = Running::start(replica(&database)).await;
        let b = Running::start(replica(&database)).await;
        create(&a, "before@example.com").await;
        let mut watcher = Watcher::from_now(&b).await;

        let added = create(&a, "ada@example.com").await;
        let seen = watcher.change().await.unwrap();
        assert_eq!(seen, (v1::ChangeType::Added, added.clone()));

        let mut client = a.client().await;
        let request = v1::UpdateUserRequest {
            user: Some(v1::User {
                age: Some(36),
                ..added
            }),
            update_mask: None,
        };
        let updated = client.update_user(request).await.unwrap().into_inner();
        let updated = updated.user.unwrap();
        let seen = watcher.change().await.unwrap();
        assert_eq!(seen, (v1::ChangeType::Updated, updated.clone()));

        let request = v1::DeleteUserRequest {
            id: updated.id.clone(),
            ..v1::DeleteUserRequest::default()
        };
        client.delete_user(request).await.unwrap();
        let seen = watcher.change().await.unwrap();
        assert_eq!(seen, (v1::ChangeType::Deleted, updated));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_initial_state_comes_first_and_every_event_can_be_resumed_from() {
    for database in databases().await {
        let a = Running::start(replica(&database)).await;
        let b = Running::start(replica(&database)).await;
        for index in 0..5 {
            create(&a, &format!("{index}@example.com")).await;
        }
        let mut watcher = Watcher::start(&a, Some(Start::InitialSync(true))).await;
        let mut events = Vec::new();
        loop {
            let event = watcher.event().await.unwrap();
            let is_complete = matches!(event, Event::InitialSyncComplete(_));
            events.push((event, watcher.token.clone()));
            if is_complete {
                break;
            }
        }
        assert_eq!(events.len(), 6, "five resources and the mark");
        for index in 5..8 {
            create(&b, &format!("{index}@example.com")).await;
            let event = watcher.event().await.unwrap();
            events.push((event, watcher.token.clone()));
        }
        for (index, (_, token)) in events.iter().enumerate() {
            let rest = &events[index + 1..];
            let is_complete = |event: &Event| matches!(event, Event::InitialSyncComplete(_));
            let mut resumed = Watcher::resume(&b, token).await;
            let mut changes = Vec::new();
            let mut completions = 0;
            for _ in rest {
                let event = resumed.event().await.unwrap();
                if is_complete(&event) {
                    completions += 1;
                } else {
                    changes.push(event);
                }
            }
            // The mark comes when the resumed watch has caught up, which may be after later changes.
            let (marks, expected): (Vec<_>, Vec<_>) = rest
                .iter()
                .map(|(event, _)| event.clone())
                .partition(is_complete);
            assert_eq!(changes, expected, "after event {index}");
            assert_eq!(completions, marks.len(), "after event {index}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_survives_drains_misses_nothing_and_sees_nothing_twice() {
    const WRITES: usize = 300;
    for database in databases().await {
        let mut a = Running::start(replica(&database)).await;
        let b = Running::start(replica(&database)).await;
        let mut watcher = Watcher::from_now(&a).await;
        let address = b.grpc;
        let writer = tokio::spawn(async move {
            let channel = crate::running::channel(address).await;
            let mut client = v1::user_service_client::UserServiceClient::new(channel);
            for index in 0..WRITES {
                let request = creation("Ada", &format!("{index}@example.com"));
                client.create_user(request).await.unwrap();
            }
        });
        let mut seen = Vec::new();
        while seen.len() < WRITES {
            match watcher.change().await {
                Ok((_, user)) => {
                    seen.push(user.email);
                    if seen.len() % 100 == 50 {
                        // This replica goes; the watch learns it, and goes on at the next one.
                        let (end, outcome) = tokio::join!(
                            async {
                                loop {
                                    match watcher.change().await {
                                        Ok((_, user)) => seen.push(user.email),
                                        Err(status) => break status,
                                    }
                                }
                            },
                            a.stop()
                        );
                        assert_eq!(outcome, Outcome::Clean, "a watch holds no drain up");
                        assert_eq!(end.code(), Code::Unavailable, "{end}");
                        assert_eq!(reason(&end), "DRAINING");
                        assert_eq!(token_of(&end), watcher.token);
                        a = Running::start(replica(&database)).await;
                        watcher = Watcher::resume(&a, &token_of(&end)).await;
                    }
                }
                Err(status) => panic!("{status}"),
            }
        }
        writer.await.unwrap();
        let expected: Vec<_> = (0..WRITES).map(|it| format!("{it}@example.com")).collect();
        assert_eq!(seen, expected, "each once, and in order");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_told_where_to_go_on() {
    const ROWS: usize = 20_000;
    for database in databases().await {
        let mut settings = replica(&database);
        settings.feed.capacity = 64;
        let server = Running::start(settings).await;
        let mut watcher = Watcher::from_now(&server).await;
        // Nothing is read while much more happens than fits into the buffers on the way.
        let rows = (0..ROWS).map(|index| v1::ImportUsersRequest {
            user: Some(draft("Ada", &format!("{index}@example.com"))),
        });
        let mut client = server.client().await;
        let summary = client.import_users(tokio_stream::iter(rows));
        let summary = summary.await.unwrap().into_inner();
        assert_eq!(summary.created_count, i64::try_from(ROWS).unwrap());

        let mut seen = Vec::new();
        let mut ends = 0;
        while seen.len() < ROWS {
            match watcher.change().await {
                Ok((_, user)) => seen.push(user.email),
                Err(status) => {
                    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
                    assert_eq!(reason(&status), "READER_TOO_SLOW");
                    assert_eq!(token_of(&status), watcher.token);
                    ends += 1;
                    watcher = Watcher::resume(&server, &token_of(&status)).await;
                }
            }
        }
        assert!(ends > 0, "the reader was too slow");
        let expected: Vec<_> = (0..ROWS).map(|it| format!("{it}@example.com")).collect();
        assert!(seen == expected, "each once, and in order");
    }
}

#[tokio::test]
async fn a_silent_watch_says_that_it_is_alive() {
    let mut settings = settings("sqlite::memory:");
    settings.feed.heartbeat = Duration::from_millis(10);
    let server = Running::start(settings).await;
    let mut watcher = Watcher::from_now(&server).await;
    for _ in 0..3 {
        assert!(matches!(watcher.event().await, Ok(Event::Heartbeat(_))));
    }
    let user = create(&server, "ada@example.com").await;
    let mut resumed = Watcher::resume(&server, &watcher.token).await;
    let seen = resumed.change().await.unwrap();
    assert_eq!(seen, (v1::ChangeType::Added, user));
}

#[tokio::test]
async fn a_token_that_cannot_be_resumed_from_is_refused() {
    let server = Running::in_memory().await;
    let mut client = server.client().await;
    for start in [
        Start::ResumeToken("nonsense".to_owned()),
        Start::ResumeToken(String::new()),
        Start::InitialSync(false),
    ] {
        let field = match start {
            Start::ResumeToken(_) => "resume_token",
            Start::InitialSync(_) => "initial_sync",
        };
        let request = v1::WatchUsersRequest { start: Some(start) };
        let status = client.watch_users(request).await.unwrap_err();
        assert_eq!(violated(&status), [field]);
    }

    // Of another database, which has seen more than this one.
    let other = Running::in_memory().await;
    create(&other, "ada@example.com").await;
    let watcher = Watcher::from_now(&other).await;
    let mut resumed = Watcher::resume(&server, &watcher.token).await;
    let status = resumed.event().await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
    assert_eq!(reason(&status), "RESUME_TOKEN_EXPIRED");
}
