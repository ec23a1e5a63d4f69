//! Several servers on one SQLite file.

use user_api::v1;

use crate::running::{Running, creation, settings};

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
