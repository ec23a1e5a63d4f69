//! What is too much, seen from outside.

use service_runtime::limits::Limit;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::running::{Running, creation, settings};

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_and_a_smaller_one_is_not() {
    let mut settings = settings("sqlite::memory:");
    settings.limits.max_message_size = 2048;
    let server = Running::start(settings).await;
    let mut client = server.client().await;
    let name = "x".repeat(4096);
    let status = client
        .create_user(creation(&name, "ada@example.com"))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let small = creation("Ada", "ada@example.com");
    client.create_user(small).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_caller_that_calls_too_often_is_told_so() {
    let mut settings = settings("sqlite::memory:");
    settings.limits.rate_per_caller = 1;
    let server = Running::start(settings).await;
    let mut client = server.client().await;
    let refused = loop {
        let call = client.list_users(user_api::v1::ListUsersRequest::default());
        if let Err(status) = call.await {
            break status;
        }
    };
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.reason, Limit::RatePerCaller.reason());
    assert!(refused.get_details_retry_info().is_some());
    server.stop().await;
}
