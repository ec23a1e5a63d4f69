//! The RPCs, over real sockets.

use service_runtime::drain::Outcome;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use user_api::v1;

use crate::running::{Running, creation, draft, settings};

fn listing(page_size: i32, page_token: &str, prefix: &str) -> v1::ListUsersRequest {
    v1::ListUsersRequest {
        page_size,
        page_token: page_token.to_owned(),
        display_name_prefix: prefix.to_owned(),
    }
}

pub(crate) fn violated(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "INVALID_FIELDS");
    assert_eq!(details.error_info().unwrap().domain, "user.v1");
    details
        .bad_request()
        .unwrap()
        .field_violations
        .iter()
        .map(|violation| violation.field.clone())
        .collect()
}

#[tokio::test]
async fn what_was_created_can_be_read() {
    let server = Running::in_memory().await;
    let mut client = server.client().await;
    let mut request = creation("Ada Lovelace", "Ada@example.com");
    request.user.as_mut().unwrap().age = Some(36);
    request.user.as_mut().unwrap().id = "ignored, being output only".to_owned();
    let created = client.create_user(request).await.unwrap();
    assert_eq!(created.metadata().get("x-served-by").unwrap(), "replica-1");
    assert_eq!(
        created.metadata().get("x-version").unwrap(),
        env!("CARGO_PKG_VERSION")
    );
    let created = created.into_inner().user.unwrap();
    assert_eq!(created.display_name, "Ada Lovelace");
    assert_eq!(created.email, "Ada@example.com");
    assert_eq!(created.age, Some(36));
    assert!(created.create_time.is_some() && created.create_time == created.update_time);
    assert!(!created.etag.is_empty());

    let id = created.id.clone();
    let read = client.get_user(v1::GetUserRequest { id }).await.unwrap();
    assert_eq!(read.into_inner().user.unwrap(), created);
    assert_eq!(server.stop().await, Outcome::Clean);
}

#[tokio::test]
async fn a_canary_tells_the_version_that_it_was_deployed_as() {
    let mut settings = settings("sqlite::memory:");
    "v2".clone_into(&mut settings.instance.version);
    let server = Running::start(settings).await;
    let listed = server.client().await.list_users(listing(1, "", "")).await;
    assert_eq!(listed.unwrap().metadata().get("x-version").unwrap(), "v2");
    assert_eq!(server.stop().await, Outcome::Clean);
}

#[tokio::test]
async fn a_missing_one_is_named() {
    let server = Running::in_memory().await;
    let id = "01890a5d-ac96-774b-bcce-b302099a8057".to_owned();
    let request = v1::GetUserRequest { id: id.clone() };
    let status = server.client().await.get_user(request).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "NOT_FOUND");
    let resource = details.resource_info().unwrap();
    assert_eq!(resource.resource_type, "user.v1.User");
    assert_eq!(resource.resource_name, id);
}

#[tokio::test]
async fn every_violation_is_reported_at_once_by_its_path() {
    let server = Running::in_memory().await;
    let mut client = server.client().await;
    let request = v1::CreateUserRequest {
        user: Some(v1::User {
            age: Some(151),
            ..draft(" ", "nobody")
        }),
        request_id: "x".to_owned(),
    };
    let status = client.create_user(request).await.unwrap_err();
    assert_eq!(
        violated(&status),
        ["user.display_name", "user.email", "user.age", "request_id"]
    );

    let nothing = v1::CreateUserRequest::default();
    let status = client.create_user(nothing).await.unwrap_err();
    assert_eq!(violated(&status), ["user"]);

    let malformed = v1::GetUserRequest { id: "1".to_owned() };
    let status = client.get_user(malformed).await.unwrap_err();
    assert_eq!(violated(&status), ["id"]);
}

#[tokio::test]
async fn an_email_is_taken_whatever_its_case() {
    let server = Running::in_memory().await;
    let mut client = server.client().await;
    let first = creation("Ada", "ada@example.com");
    client.create_user(first).await.unwrap();
    let second = creation("Another", "ADA@EXAMPLE.COM");
    let status = client.create_user(second).await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists);
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "EMAIL_TAKEN");
    assert_eq!(
        details.resource_info().unwrap().resource_name,
        "ADA@EXAMPLE.COM"
    );
}

#[tokio::test]
async fn a_repeated_request_returns_the_first_result() {
    let server = Running::in_memory().await;
    let mut client = server.client().await;
    let request = v1::CreateUserRequest {
        request_id: "7c9b5a34-0f6e-4b2f-9d0e-0c8a4a1f5b11".to_owned(),
        ..creation("Ada", "ada@example.com")
    };
    let first = client.create_user(request.clone()).await.unwrap();
    let second = client.create_user(request).await.unwrap();
    assert_eq!(first.into_inner().user, second.into_inner().user);
    let listed = client.list_users(listing(0, "", "")).await.unwrap();
    assert_eq!(listed.into_inner().users.len(), 1, "it is created once");
}

#[tokio::test]
async fn pages_are_in_order_and_complete() {
    let server = Running::in_memory().await;
    let mut client = server.client().await;
    let mut expected = Vec::new();
    for index in 0..25 {
        let name = if index % 2 == 0 { "Äda" } else { "Bob" };
        let request = creation(&format!("{name} {index}"), &format!("{index}@example.com"));
        let user = client.create_user(request).await.unwrap().into_inner().user;
        expected.push(user.unwrap());
    }
    for (size, prefix) in [
        (10, ""),
        (25, ""),
        (1, ""),
        (5, "Ä"),
        (0, "Bob 1"),
        (7, "nobody"),
    ] {
        let mut seen = Vec::new();
        let mut token = String::new();
        loop {
            let request = listing(size, &token, prefix);
            let page = client.list_users(request).await.unwrap().into_inner();
            assert!(size == 0 || page.users.len() <= usize::try_from(size).unwrap());
            seen.extend(page.users);
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        let expected: Vec<_> = expected
            .iter()
            .filter(|user| user.display_name.starts_with(prefix))
            .cloned()
            .collect();
        assert_eq!(seen, expected, "size {size}, prefix {prefix:?}");
    }
}

#[tokio::test]
async fn a_page_token_belongs_to_its_filter() {
    let server = Running::in_memory().await;
    let mut client = server.client().await;
    for index in 0..3 {
        let request = creation("Ada", &format!("{index}@example.com"));
        client.create_user(request).await.unwrap();
    }
    let page = client.list_users(listing(1, "", "A")).await.unwrap();
    let token = page.into_inner().next_page_token;
    client.list_users(listing(1, &token, "A")).await.unwrap();
    let status = client.list_users(listing(1, &token, "")).await.unwrap_err();
    assert_eq!(violated(&status), ["page_token"]);
    let status = client.list_users(listing(-1, "x", "")).await.unwrap_err();
    assert_eq!(violated(&status), ["page_size", "page_token"]);
}
