//! A replica that freezes, or is killed, in the middle of its writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use user_api::v1;
use user_api::v1::user_service_client::UserServiceClient;

use crate::outage::{check_refusal, emails};
use crate::process::Process;
use crate::running::{Running, channel, creation, databases, draft, settings, soon};

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_freezes_in_the_middle_of_writes_does_not_stop_the_others() {
    let Some(url) = crate::postgres::database().await else {
        return;
    };
    let frozen = Process::on(&url, &["--set", "store.postgres.statement_timeout=1s"]).await;
    let server = Running::start(settings(&url)).await;
    let kept = Arc::new(AtomicUsize::new(0));
    let mut writers = JoinSet::new();
    for writer in 0..16 {
        let (kept, address) = (kept.clone(), frozen.grpc);
        writers.spawn(async move {
            let mut client = UserServiceClient::new(channel(address).await);
            for index in 0.. {
                let email = format!("{writer}-{index}@example.com");
                client.create_user(creation("Ada", &email)).await.unwrap();
                kept.fetch_add(1, Ordering::AcqRel);
            }
        });
    }
    soon("writes", async {
        while kept.load(Ordering::Acquire) < 50 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    // Most likely one of its transactions holds the lock of all writers now.
    frozen.signal("-STOP").await;
    let mut client = server.client().await;
    soon("a write on the other replica", async {
        while let Err(status) = client.create_user(creation("Bob", "bob@example.com")).await {
            check_refusal(&status);
        }
    })
    .await;
    frozen.signal("-KILL").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_killed_in_the_middle_of_writes_loses_nothing_that_was_acknowledged() {
    for database in databases().await {
        let mut acknowledged = Vec::new();
        for round in 0..3 {
            let process = Process::on(&database.url, &[]).await;
            let kept = Arc::new(AtomicUsize::new(0));
            let mut writers = JoinSet::new();
            for writer in 0..8 {
                let (kept, address) = (kept.clone(), process.grpc);
                writers.spawn(async move {
                    let mut client = UserServiceClient::new(channel(address).await);
                    let mut acknowledged = Vec::new();
                    for index in 0.. {
                        let email = format!("{round}-{writer}-{index}@example.com");
                        if client.create_user(creation("Ada", &email)).await.is_err() {
                            break;
                        }
                        acknowledged.push(email);
                        kept.fetch_add(1, Ordering::AcqRel);
                    }
                    acknowledged
                });
            }
            let address = process.grpc;
            let import = tokio::spawn(async move {
                let rows = (0..1_000_000).map(move |index| v1::ImportUsersRequest {
                    user: Some(draft("Imported", &format!("{round}-{index}@example.org"))),
                });
                let mut client = UserServiceClient::new(channel(address).await);
                client.import_users(tokio_stream::iter(rows)).await
            });
            soon("writes", async {
                while kept.load(Ordering::Acquire) < 100 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
            .await;
            process.signal("-KILL").await;
            assert_eq!(process.exit_code().await, None, "it was killed");
            while let Some(writer) = soon("the end of a writer", writers.join_next()).await {
                acknowledged.extend(writer.unwrap());
            }
            import.await.unwrap().expect_err("the import was cut off");
        }
        let server = Running::start(settings(&database.url)).await;
        let there = emails(&server).await;
        let lost: Vec<_> = acknowledged
            .iter()
            .filter(|it| !there.contains(*it))
            .collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let imported = there
            .iter()
            .filter(|it| it.ends_with("example.org"))
            .count();
        assert_eq!(
            imported % 500,
            0,
            "an import that was cut off leaves whole batches"
        );
    }
}
