//! Two replicas on one PostgreSQL, all of them killed in turns while everything is used; then the books
//! are compared.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic::{Code, Status};
use user_api::v1;
use user_api::v1::user_service_client::UserServiceClient;
use user_api::v1::watch_users_request::Start;
use user_api::v1::watch_users_response::Event;

use crate::postgres::Server;
use crate::process::Process;
use crate::running::{creation, draft, soon};

const WRITERS: usize = 6;
const EACH: usize = 40;
const IMPORTED: usize = 3000;

/// How long all of it may take.
const BOUND: Duration = Duration::from_mins(5);

/// Where the replicas are; a client tries one after the other.
#[derive(Clone)]
struct Replicas {
    addresses: Arc<Mutex<[SocketAddr; 2]>>,
    next: Arc<AtomicUsize>,
    /// How much was written, so that the killer knows that work goes on.
    writes: Arc<AtomicUsize>,
    /// How many watchers have seen the end of the initial state.
    watching: Arc<AtomicUsize>,
}

/// One change as a watcher saw it.
type Seen = (String, v1::ChangeType, String);

// === impl Replicas ===

impl Replicas {
    async fn client(&self) -> UserServiceClient<Channel> {
        loop {
            let turn = self.next.fetch_add(1, Ordering::Relaxed);
            let address = self.addresses.lock().unwrap()[turn % 2];
            let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}"));
            match endpoint.unwrap().connect().await {
                Ok(channel) => return UserServiceClient::new(channel),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Calls until a replica answers with anything but "not now".
    async fn call<T, F: Future<Output = Result<T, Status>>>(
        &self,
        call: impl Fn(UserServiceClient<Channel>) -> F,
    ) -> Result<T, Status> {
        loop {
            match call(self.client().await).await {
                Err(status) if is_not_now(&status) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                result => {
                    self.writes.fetch_add(1, Ordering::AcqRel);
                    return result;
                }
            }
        }
    }
}

/// A replica or the database went away; tonic calls a broken connection by several names.
fn is_not_now(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal
    )
}

/// Creates, updates and deletes, as somebody does who must know how each of it ended.
async fn write(replicas: Replicas, writer: usize) {
    for index in 0..EACH {
        let request = v1::CreateUserRequest {
            request_id: uuid::Uuid::new_v4().to_string(),
            ..creation("Ada", &format!("{writer}-{index}@example.com"))
        };
        let created = replicas
            .call(|mut client| {
                let request = request.clone();
                async move { client.create_user(request).await }
            })
            .await;
        let user = created.unwrap().into_inner().user.unwrap();
        let request = v1::UpdateUserRequest {
            user: Some(v1::User {
                age: Some(36),
                ..user.clone()
            }),
            update_mask: None,
        };
        let updated = replicas
            .call(|mut client| {
                let request = request.clone();
                async move { client.update_user(request).await }
            })
            .await;
        if let Err(status) = updated {
            // An earlier try did it, and its answer was lost: the etag keeps it from happening twice.
            assert_eq!(status.code(), Code::Aborted, "{status}");
        }
        let request = v1::DeleteUserRequest {
            id: user.id,
            etag: String::new(),
            allow_missing: true,
        };
        let deleted = replicas
            .call(|mut client| {
                let request = request.clone();
                async move { client.delete_user(request).await }
            })
            .await;
        deleted.unwrap();
    }
}

/// Imports until every row is there; rows that an earlier try kept are refused.
async fn import(replicas: Replicas) {
    let summary = replicas
        .call(|mut client| async move {
            let rows = (0..IMPORTED).map(|index| v1::ImportUsersRequest {
                user: Some(draft("Imported", &format!("{index}@example.org"))),
            });
            client.import_users(tokio_stream::iter(rows)).await
        })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(summary.received_count, i64::try_from(IMPORTED).unwrap());
    assert!(summary.errors.iter().all(|it| it.reason == "EMAIL_TAKEN"));
}

/// Watches from the beginning until everything has been seen, whatever ends the streams.
async fn watch(replicas: Replicas) -> Vec<Seen> {
    let expected = WRITERS * EACH * 3 + IMPORTED;
    let mut seen = Vec::new();
    let mut start = Start::InitialSync(true);
    while seen.len() < expected {
        let request = v1::WatchUsersRequest {
            start: Some(start.clone()),
        };
        let Ok(events) = replicas.client().await.watch_users(request).await else {
            continue;
        };
        let mut events = events.into_inner();
        while seen.len() < expected {
            match events.message().await {
                Ok(Some(response)) => {
                    start = Start::ResumeToken(response.resume_token);
                    match response.event.unwrap() {
                        Event::Change(change) => {
                            let kind = change.r#type();
                            let user = change.user.unwrap();
                            seen.push((user.id, kind, user.etag));
                        }
                        Event::InitialSyncComplete(_) => {
                            replicas.watching.fetch_add(1, Ordering::AcqRel);
                        }
                        Event::Heartbeat(_) => {}
                    }
                }
                Ok(None) => break,
                Err(status) => {
                    let may_go_on = is_not_now(&status) || status.code() == Code::ResourceExhausted;
                    assert!(may_go_on, "{status}");
                    break;
                }
            }
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_there_once_and_every_watcher_saw_it_once_and_in_order() {
    let start = || Server::start(true);
    let Some(mut postgres) = tokio::task::spawn_blocking(start).await.unwrap() else {
        return;
    };
    let url = postgres.create_database().await;
    let settings = [
        "--set",
        "feed.poll_interval=100ms",
        "--set",
        "store.postgres.acquire_timeout=500ms",
    ];
    let mut processes = [
        Process::on(&url, &settings).await,
        Process::on(&url, &settings).await,
    ];
    let replicas = Replicas {
        addresses: Arc::new(Mutex::new([processes[0].grpc, processes[1].grpc])),
        next: Arc::new(AtomicUsize::new(0)),
        writes: Arc::new(AtomicUsize::new(0)),
        watching: Arc::new(AtomicUsize::new(0)),
    };
    let mut watchers = JoinSet::new();
    for _ in 0..2 {
        watchers.spawn(watch(replicas.clone()));
    }
    // The initial state has no history: whatever is written comes after it.
    soon("the watches", async {
        while replicas.watching.load(Ordering::Acquire) < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let mut workers = JoinSet::new();
    for writer in 0..WRITERS {
        workers.spawn(write(replicas.clone(), writer));
    }
    workers.spawn(import(replicas.clone()));

    let story = async {
        for round in 0..4 {
            // There is always work left when something is killed: 720 calls are to be made.
            while replicas.writes.load(Ordering::Acquire) < (round + 1) * 120 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if round == 2 {
                postgres.kill();
                postgres = tokio::task::spawn_blocking(move || {
                    postgres.run();
                    postgres
                })
                .await
                .unwrap();
                continue;
            }
            let victim = round % 2;
            processes[victim].signal("-KILL").await;
            processes[victim] = Process::on(&url, &settings).await;
            replicas.addresses.lock().unwrap()[victim] = processes[victim].grpc;
        }
        while let Some(worker) = workers.join_next().await {
            worker.unwrap();
        }
        let mut books = Vec::new();
        while let Some(watcher) = watchers.join_next().await {
            books.push(watcher.unwrap());
        }
        books
    };
    let books = tokio::time::timeout(BOUND, story).await;
    let books = books.expect("all of it must come to its end");

    for seen in &books {
        let mut histories: HashMap<&str, Vec<(v1::ChangeType, &str)>> = HashMap::new();
        for (id, kind, etag) in seen {
            histories.entry(id).or_default().push((*kind, etag));
        }
        assert_eq!(histories.len(), WRITERS * EACH + IMPORTED);
        let mut written = 0;
        for history in histories.values() {
            match history[..] {
                [(v1::ChangeType::Added, _)] => {}
                [
                    (v1::ChangeType::Added, first),
                    (v1::ChangeType::Updated, second),
                    (v1::ChangeType::Deleted, last),
                ] => {
                    assert!(first != second && second == last, "{history:?}");
                    written += 1;
                }
                _ => panic!("not what was done: {history:?}"),
            }
        }
        assert_eq!(written, WRITERS * EACH);
    }
    assert!(books[0] == books[1], "all watchers see the same order");
}
