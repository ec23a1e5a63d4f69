//! Several servers on one SQLite file.

use user_api::v1;

use crate::running::{Running, creation, databases, settings};

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_at_once_share_one_new_file() {
    // Several rounds, because a race that is lost one time in ten is lost.
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("shared.sqlite").display());
        let start = || tokio::spawn(Running::start(settings(&url)));
        let (a, b, c) = (start(), start(), start());
        let replicas = [a.await.unwrap(), b.await.unwrap(), c.await.unwrap()];

        let writers: Vec<_> = (0..)
            .zip(&replicas)
            .map(|(replica, server)| {
                let address = server.grpc;
                tokio::spawn(async move {
                    let channel = crate::running::channel(address).await;
                    let mut client = v1::user_service_client::UserServiceClient::new(channel);
                    for index in 0..10 {
                        let email = format!("{replica}-{index}@example.com");
                        client.create_user(creation("Ada", &email)).await.unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        for server in &replicas {
            let request = v1::ListUsersRequest::default();
            let list = server.client().await.list_users(request).await.unwrap();
            assert_eq!(
                list.into_inner().users.len(),
                30,
                "every replica sees every write"
            );
        }
        for server in replicas {
            server.stop().await;
        }
    }
}

#[tokio::test]
async fn a_restarted_server_has_what_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("kept.sqlite").display());
    let server = Running::start(settings(&url)).await;
    let request = creation("Ada", "ada@example.com");
    let created = server.client().await.create_user(request).await.unwrap();
    server.stop().await;

    let server = Running::start(settings(&url)).await;
    let request = v1::ListUsersRequest::default();
    let list = server.client().await.list_users(request).await.unwrap();
    assert_eq!(
        list.into_inner().users,
        [created.into_inner().user.unwrap()]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_on_two_replicas_at_once_creates_one() {
    for database in databases().await {
        let a = Running::start(settings(&database.url)).await;
        let b = Running::start(settings(&database.url)).await;
        let (at_a, at_b) = (a.client().await, b.client().await);
        for round in 1..=10 {
            let request = v1::CreateUserRequest {
                request_id: uuid::Uuid::new_v4().to_string(),
                ..creation("Ada", &format!("{round}@example.com"))
            };
            let (mut first, mut second) = (at_a.clone(), at_b.clone());
            let (first, second) = tokio::join!(
                first.create_user(request.clone()),
                second.create_user(request)
            );
            assert_eq!(
                first.unwrap().into_inner(),
                second.unwrap().into_inner(),
                "both get the first result"
            );
            let mut reader = at_a.clone();
            let list = reader.list_users(v1::ListUsersRequest::default());
            assert_eq!(list.await.unwrap().into_inner().users.len(), round);
        }
    }
}
