//! `UpdateUser`, `DeleteUser` and `BatchGetUsers`, over real sockets.

use prost_types::FieldMask;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use user_api::v1;
use user_api::v1::user_service_client::UserServiceClient;

use crate::calls::violated;
use crate::running::{Running, creation};

async fn created(client: &mut UserServiceClient<Channel>, email: &str) -> v1::User {
    let created = client.create_user(creation("Ada", email)).await.unwrap();
    created.into_inner().user.unwrap()
}

fn updating(user: &v1::User, mask: &[&str]) -> v1::UpdateUserRequest {
    v1::UpdateUserRequest {
        user: Some(user.clone()),
        update_mask: Some(FieldMask {
            paths: mask.iter().map(|&path| path.to_owned()).collect(),
        }),
    }
}

fn reason(status: &Status) -> String {
    status
        .get_error_details()
        .error_info()
        .unwrap()
        .reason
        .clone()
}

#[tokio::test]
async fn an_update_changes_the_fields_that_its_mask_names() {
    let server = Running::in_memory().await;
    let mut client = server.client().await;
    let first = created(&mut client, "ada@example.com").await;
    let wanted = v1::User {
        display_name: "Countess of Lovelace".to_owned(),
        email: "not looked at".to_owned(),
        age: Some(36),
        ..first.clone()
    };
    let request = updating(&wanted, &["display_name", "age"]);
    let second = client.update_user(request).await.unwrap().into_inner();
    let second = second.user.unwrap();
    assert_eq!(second.display_name, "Countess of Lovelace");
    assert_eq!(second.age, Some(36));
    assert_eq!(second.email, first.email);
    assert_eq!(second.create_time, first.create_time);
    assert_ne!(second.etag, first.etag);

    let read = v1::GetUserRequest {
        id: first.id.clone(),
    };
    let read = client.get_user(read).await.unwrap().into_inner().user;
    assert_eq!(read, Some(second), "the caller reads what it wrote");

    let everything = v1::User {
        id: first.id,
        display_name: "Ada".to_owned(),
        email: "ada@example.org".to_owned(),
        ..v1::User::default()
    };
    let third = client.update_user(updating(&everything, &["*"])).await;
    let third = third.unwrap().into_inner().user.unwrap();
    assert_eq!(third.age, None, "a star also forgets what is absent");
    assert_eq!(third.email, "ada@example.org");
}

#[tokio::test]
async fn an_update_that_cannot_be_says_why() {
    let server = Running::in_memory().await;
    let mut client = server.client().await;
    let ada = created(&mut client, "ada@example.com").await;
    let bob = created(&mut client, "bob@example.com").await;

    let request = updating(&ada, &["nonsense", "etag", "display_name"]);
    let status = client.update_user(request).await.unwrap_err();
    assert_eq!(
        violated(&status),
        ["update_mask.paths[0]", "update_mask.paths[1]"]
    );
    let status = client.update_user(v1::UpdateUserRequest::default()).await;
    assert_eq!(violated(&status.unwrap_err()), ["user"]);

    client.update_user(updating(&ada, &["age"])).await.unwrap();
    let status = client
        .update_user(updating(&ada, &["age"]))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Aborted, "the etag is one too old");
    assert_eq!(reason(&status), "ETAG_MISMATCH");

    let taken = v1::User {
        email: "ADA@example.com".to_owned(),
        ..bob.clone()
    };
    let status = client
        .update_user(updating(&taken, &["email"]))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists);
    assert_eq!(reason(&status), "EMAIL_TAKEN");

    let nobody = v1::User {
        id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        ..bob
    };
    let status = client
        .update_user(updating(&nobody, &["age"]))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn a_deletion_may_be_repeated_when_it_says_so() {
    let server = Running::in_memory().await;
    let mut client = server.client().await;
    let user = created(&mut client, "ada@example.com").await;
    let deletion = |etag: &str, allow_missing| v1::DeleteUserRequest {
        id: user.id.clone(),
        etag: etag.to_owned(),
        allow_missing,
    };
    let status = client
        .delete_user(deletion("0000002a", true))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Aborted);
    assert_eq!(reason(&status), "ETAG_MISMATCH");

    client
        .delete_user(deletion(&user.etag, false))
        .await
        .unwrap();
    let read = v1::GetUserRequest {
        id: user.id.clone(),
    };
    assert_eq!(
        client.get_user(read).await.unwrap_err().code(),
        Code::NotFound
    );
    client
        .delete_user(deletion(&user.etag, true))
        .await
        .unwrap();
    let status = client.delete_user(deletion("", false)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn a_batch_keeps_its_order_and_names_what_is_missing() {
    let server = Running::in_memory().await;
    let mut client = server.client().await;
    let a = created(&mut client, "a@example.com").await;
    let b = created(&mut client, "b@example.com").await;
    let missing = "01890a5d-ac96-774b-bcce-b302099a8057";
    let request = v1::BatchGetUsersRequest {
        ids: [&b.id, missing, &a.id, &b.id].map(str::to_owned).to_vec(),
    };
    let response = client.batch_get_users(request).await.unwrap().into_inner();
    assert_eq!(response.users, [b.clone(), a, b]);
    assert_eq!(response.missing_ids, [missing]);

    for (ids, fields) in [
        (vec![], vec!["ids"]),
        (vec![missing.to_owned(); 1001], vec!["ids"]),
        (vec!["x".to_owned(), missing.to_owned()], vec!["ids[0]"]),
    ] {
        let request = v1::BatchGetUsersRequest { ids };
        let status = client.batch_get_users(request).await.unwrap_err();
        assert_eq!(violated(&status), fields);
    }
}
