//! Messages are compressed where both sides want it.

use tonic::codec::CompressionEncoding;
use user_api::v1::user_service_client::UserServiceClient;
use user_server::compression::Compression;

use crate::running::{self, Running, creation, settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_compressed_where_both_sides_want_it() {
    let mut settings = settings("sqlite::memory:");
    settings.compression = Compression::Any;
    let server = Running::start(settings).await;
    let channel = running::channel(server.grpc).await;
    for (encoding, name) in [
        (CompressionEncoding::Gzip, "gzip"),
        (CompressionEncoding::Zstd, "zstd"),
    ] {
        let mut client = UserServiceClient::new(channel.clone())
            .send_compressed(encoding)
            .accept_compressed(encoding);
        let answer = client
            .create_user(creation("Ada", &format!("{name}@example.com")))
            .await
            .unwrap();
        assert_eq!(answer.metadata().get("grpc-encoding").unwrap(), name);
    }
    let mut plain = UserServiceClient::new(channel);
    let answer = plain
        .list_users(user_api::v1::ListUsersRequest::default())
        .await;
    assert!(answer.unwrap().metadata().get("grpc-encoding").is_none());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_compression_says_so() {
    let server = Running::start(settings("sqlite::memory:")).await;
    let channel = running::channel(server.grpc).await;
    let mut client = UserServiceClient::new(channel).send_compressed(CompressionEncoding::Gzip);
    let status = client.create_user(creation("Ada", "ada@example.com")).await;
    assert_eq!(status.unwrap_err().code(), tonic::Code::Unimplemented);
    server.stop().await;
}
