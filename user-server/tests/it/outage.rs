//! PostgreSQL killed and started again under load.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::Connection as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use user_api::v1;
use user_api::v1::user_service_client::UserServiceClient;
use user_api::v1::watch_users_response::Event;

use crate::postgres::Server;
use crate::running::{Running, channel, creation, settings, soon};

async fn is_ready(ops: SocketAddr) -> bool {
    let mut stream = tokio::net::TcpStream::connect(ops).await.unwrap();
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.starts_with("HTTP/1.1 200")
}

async fn until_ready(server: &Running, expected: bool) {
    soon("the change of readiness", async {
        while is_ready(server.ops).await != expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

pub(crate) fn check_refusal(status: &Status) {
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "STORE_UNAVAILABLE");
    assert!(details.retry_info().unwrap().retry_delay.is_some());
}

pub(crate) async fn emails(server: &Running) -> HashSet<String> {
    let mut client = server.client().await;
    let mut emails = HashSet::new();
    let mut page_token = String::new();
    loop {
        let request = v1::ListUsersRequest {
            page_size: 1000,
            page_token,
            ..v1::ListUsersRequest::default()
        };
        let page = client.list_users(request).await.unwrap().into_inner();
        emails.extend(page.users.into_iter().map(|user| user.email));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return emails;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_database_makes_calls_unavailable_and_loses_nothing_that_was_acknowledged() {
    let Some(mut postgres) = tokio::task::spawn_blocking(|| Server::start(true))
        .await
        .unwrap()
    else {
        return;
    };
    let mut settings = settings(&postgres.create_database().await);
    // Long enough to connect at the start on a machine that does much else.
    settings.store.postgres.acquire_timeout = Duration::from_secs(1);
    settings.readiness.interval = Duration::from_millis(50);
    settings.feed.poll_interval = Duration::from_millis(50);
    // Long, so that what is cached is served all the while.
    settings.cache.max_staleness = Duration::from_hours(1);
    let server = Running::start(settings).await;
    until_ready(&server, true).await;

    let mut client = server.client().await;
    let created = client.create_user(creation("Ada", "ada@example.com")).await;
    let id = created.unwrap().into_inner().user.unwrap().id;
    let read = v1::GetUserRequest { id };
    let stop = Arc::new(AtomicBool::new(false));
    let refused = Arc::new(AtomicUsize::new(0));
    let kept = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..32)
        .map(|writer| {
            let (stop, refused, kept) = (stop.clone(), refused.clone(), kept.clone());
            let address = server.grpc;
            tokio::spawn(async move {
                let mut client = UserServiceClient::new(channel(address).await);
                let mut acknowledged = Vec::new();
                for index in 0.. {
                    if stop.load(Ordering::Acquire) {
                        break;
                    }
                    let email = format!("{writer}-{index}@example.com");
                    match client.create_user(creation("Ada", &email)).await {
                        Ok(_) => {
                            acknowledged.push(email);
                            kept.fetch_add(1, Ordering::AcqRel);
                        }
                        Err(status) => {
                            check_refusal(&status);
                            refused.fetch_add(1, Ordering::AcqRel);
                        }
                    }
                }
                acknowledged
            })
        })
        .collect();
    let more = async |counter: &AtomicUsize| {
        let start = counter.load(Ordering::Acquire);
        soon("progress", async {
            while counter.load(Ordering::Acquire) < start + 50 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    };
    for _ in 0..2 {
        more(&kept).await;
        // By now the feed is known to be up to date, so that this is cached.
        client.get_user(read.clone()).await.unwrap();
        postgres.kill();
        more(&refused).await;
        until_ready(&server, false).await;
        client
            .get_user(read.clone())
            .await
            .expect("what is cached is served while it may be");
        postgres = tokio::task::spawn_blocking(move || {
            postgres.run();
            postgres
        })
        .await
        .unwrap();
        until_ready(&server, true).await;
        more(&kept).await;
    }
    stop.store(true, Ordering::Release);
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(soon("the end of a writer", writer).await.unwrap());
    }
    let there = emails(&server).await;
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|it| !there.contains(*it))
        .collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert_eq!(server.stop().await, service_runtime::drain::Outcome::Clean);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_starts_before_its_database_serves_as_soon_as_it_is_there() {
    let Some(mut postgres) = tokio::task::spawn_blocking(|| Server::start(false))
        .await
        .unwrap()
    else {
        return;
    };
    let mut settings = settings(&postgres.create_database().await);
    settings.readiness.interval = Duration::from_millis(50);
    settings.feed.poll_interval = Duration::from_millis(50);
    postgres.kill();
    let server = Running::start(settings).await;
    assert!(
        !is_ready(server.ops).await,
        "a replica without a database wants no calls"
    );
    let mut client = server.client().await;
    let refused = client.create_user(creation("Ada", "ada@example.com")).await;
    check_refusal(&refused.expect_err("there is nothing to write to"));

    let _postgres = tokio::task::spawn_blocking(move || {
        postgres.run();
        postgres
    })
    .await
    .unwrap();
    until_ready(&server, true).await;
    let created = client.create_user(creation("Ada", "ada@example.com")).await;
    created.expect("the tables are there when it is ready");
    assert_eq!(server.stop().await, service_runtime::drain::Outcome::Clean);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_tell_each_other_of_changes_again_after_the_database_was_away() {
    let start = || Server::start(false);
    let Some(mut postgres) = tokio::task::spawn_blocking(start).await.unwrap() else {
        return;
    };
    let url = postgres.create_database().await;
    let replica = || {
        let mut settings = settings(&url);
        // Without notifications no change would be seen in the time of this test.
        settings.feed.poll_interval = Duration::from_mins(10);
        settings.cache.max_staleness = Duration::from_mins(20);
        settings.store.postgres.acquire_timeout = Duration::from_secs(1);
        settings.readiness.interval = Duration::from_millis(50);
        Running::start(settings)
    };
    let (a, b) = (replica().await, replica().await);
    let request = v1::WatchUsersRequest::default();
    let events = b.client().await.watch_users(request).await.unwrap();
    let mut events = events.into_inner();
    let mut next = async || {
        loop {
            let response = soon("an event", events.message()).await.unwrap().unwrap();
            if let Some(Event::Change(change)) = response.event {
                return change.user.unwrap().email;
            }
        }
    };
    for round in 0..2 {
        until_ready(&a, true).await;
        until_ready(&b, true).await;
        let email = format!("{round}@example.com");
        let mut client = a.client().await;
        soon("a write", async {
            while let Err(status) = client.create_user(creation("Ada", &email)).await {
                check_refusal(&status);
            }
        })
        .await;
        assert_eq!(next().await, email);
        postgres.kill();
        until_ready(&a, false).await;
        until_ready(&b, false).await;
        postgres = tokio::task::spawn_blocking(move || {
            postgres.run();
            postgres
        })
        .await
        .unwrap();
    }
    let interruptions = "feed_interruptions_total{reason=\"notifications\"}";
    crate::metrics::at_least(b.ops, interruptions, 2.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_do_not_pile_up_before_a_database_that_stalls() {
    let Some(url) = crate::postgres::database().await else {
        return;
    };
    let mut settings = settings(&url);
    settings.store.postgres.max_connections = 2;
    settings.store.postgres.max_waiting = 3;
    settings.store.postgres.acquire_timeout = Duration::from_mins(1);
    settings.store.postgres.statement_timeout = Duration::from_mins(1);
    settings.store.postgres.call_timeout = Duration::from_mins(2);
    let server = Running::start(settings).await;
    until_ready(&server, true).await;

    let mut lock = sqlx::PgConnection::connect(&url).await.unwrap();
    for statement in ["BEGIN", "SELECT last_seq FROM change_head FOR UPDATE"] {
        sqlx::query(statement).execute(&mut lock).await.unwrap();
    }
    let client = server.client().await;
    let mut calls = JoinSet::new();
    for index in 0..20 {
        let mut client = client.clone();
        calls.spawn(async move {
            let email = format!("{index}@example.com");
            client.create_user(creation("Ada", &email)).await
        });
    }
    // Five have a place: two that wait for the lock, and three that wait for a connection.
    for _ in 0..15 {
        let refused = soon("a refusal", calls.join_next()).await.unwrap();
        check_refusal(&refused.unwrap().unwrap_err());
    }
    assert!(
        is_ready(server.ops).await,
        "a replica that has much to do is not one that lost its database"
    );
    sqlx::query("COMMIT").execute(&mut lock).await.unwrap();
    for _ in 0..5 {
        let kept = soon("an answer", calls.join_next()).await.unwrap();
        kept.unwrap().expect("a call that waited is answered");
    }
}
