//! The cache of `GetUser`, on two replicas of one database.

use std::time::{Duration, Instant};

use tonic::transport::Channel;
use user_api::v1;
use user_api::v1::user_service_client::UserServiceClient;

use crate::running::{Running, creation, databases, settings, soon};

async fn age(client: &mut UserServiceClient<Channel>, id: &str) -> Option<i32> {
    let request = v1::GetUserRequest { id: id.to_owned() };
    let response = client.get_user(request).await.unwrap().into_inner();
    response.user.unwrap().age
}

async fn set_age(client: &mut UserServiceClient<Channel>, id: &str, age: i32) {
    let request = v1::UpdateUserRequest {
        user: Some(v1::User {
            id: id.to_owned(),
            age: Some(age),
            ..v1::User::default()
        }),
        update_mask: None,
    };
    client.update_user(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_replica_serves_a_value_that_is_older_than_the_bound() {
    let bound = Duration::from_millis(300);
    for database in databases().await {
        let replica = || {
            let mut settings = settings(&database.url);
            // The worst case: nobody tells of changes.
            settings.store.postgres.notifications = false;
            settings.feed.poll_interval = Duration::from_millis(200);
            settings.cache.max_staleness = bound;
            Running::start(settings)
        };
        let (a, b) = (replica().await, replica().await);
        let (mut at_a, mut at_b) = (a.client().await, b.client().await);
        let created = at_a.create_user(creation("Ada", "ada@example.com")).await;
        let id = created.unwrap().into_inner().user.unwrap().id;
        for version in 1..=5 {
            // So that it is cached there.
            age(&mut at_b, &id).await;
            set_age(&mut at_a, &id, version).await;
            let written = Instant::now();
            soon("the new value", async {
                loop {
                    let asked = Instant::now();
                    let seen = age(&mut at_b, &id).await;
                    if seen == Some(version) {
                        break;
                    }
                    assert!(
                        asked < written + bound,
                        "a value from before the bound must not be served"
                    );
                }
            })
            .await;
            assert_eq!(
                age(&mut at_a, &id).await,
                Some(version),
                "the replica that wrote it serves it at once"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_beside_writers_never_see_time_go_back() {
    for database in databases().await {
        let mut settings = settings(&database.url);
        settings.feed.poll_interval = Duration::from_millis(20);
        let server = Running::start(settings).await;
        let mut client = server.client().await;
        let created = client.create_user(creation("Ada", "ada@example.com")).await;
        let id = created.unwrap().into_inner().user.unwrap().id;
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let (mut client, id) = (client.clone(), id.clone());
                tokio::spawn(async move {
                    let mut newest = None;
                    while newest != Some(100) {
                        let seen = age(&mut client, &id).await;
                        assert!(seen >= newest, "{seen:?} after {newest:?}");
                        newest = seen;
                    }
                })
            })
            .collect();
        for version in 0..=100 {
            set_age(&mut client, &id, version).await;
            assert_eq!(age(&mut client, &id).await, Some(version));
        }
        for reader in readers {
            soon("the last value", reader).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_was_deleted_is_not_served() {
    let server = Running::in_memory().await;
    let mut client = server.client().await;
    let created = client.create_user(creation("Ada", "ada@example.com")).await;
    let id = created.unwrap().into_inner().user.unwrap().id;
    age(&mut client, &id).await;
    let request = v1::DeleteUserRequest {
        id: id.clone(),
        ..v1::DeleteUserRequest::default()
    };
    client.delete_user(request).await.unwrap();
    let request = v1::GetUserRequest { id };
    let status = client.get_user(request).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::NotFound);
}
