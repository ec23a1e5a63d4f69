//! gRPC-Web and CORS: what a page may ask for, and what a stranger's page gets.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use user_server::settings::Settings;

use crate::running::{Running, settings, soon};

pub(crate) fn for_browsers(origins: &[String]) -> Settings {
    let mut settings = settings("sqlite::memory:");
    settings.web.enabled = true;
    settings.web.address = ([127, 0, 0, 1], 0).into();
    settings.web.allowed_origins = origins.to_vec();
    settings
}

/// The head of what a server answers to one HTTP/1.1 request, in lower case.
async fn head(address: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = socket.read_to_end(&mut answer);
    soon("an answer", read).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).to_lowercase();
    let head = answer.split("\r\n\r\n").next();
    head.unwrap_or_default().to_owned()
}

fn preflight(origin: &str) -> String {
    format!(
        "OPTIONS /user.v1.UserService/ListUsers HTTP/1.1\r\nhost: users\r\norigin: {origin}\r\n\
         access-control-request-method: POST\r\n\
         access-control-request-headers: content-type,x-grpc-web\r\nconnection: close\r\n\r\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_sites_that_are_named_may_call_from_a_browser() {
    let ours = "https://app.example.com".to_owned();
    let server = Running::start(for_browsers(std::slice::from_ref(&ours))).await;
    let web = server.web.expect("browsers are served");

    let allowed = head(web, &preflight(&ours)).await;
    assert!(allowed.starts_with("http/1.1 200"), "{allowed}");
    assert!(allowed.contains("access-control-allow-origin: https://app.example.com"));
    let stranger = head(web, &preflight("https://evil.example.com")).await;
    assert!(
        !stranger.contains("access-control-allow-origin"),
        "{stranger}"
    );

    let call = format!(
        "POST /user.v1.UserService/ListUsers HTTP/1.1\r\nhost: users\r\norigin: {ours}\r\n\
         content-type: application/grpc-web+proto\r\ncontent-length: 5\r\nconnection: close\r\n\r\n\
         \0\0\0\0\0"
    );
    let answered = head(web, &call).await;
    assert!(answered.starts_with("http/1.1 200"), "{answered}");
    assert!(answered.contains("content-type: application/grpc-web+proto"));
    assert!(answered.contains("x-served-by: replica-1"), "{answered}");
    server.stop().await;
}
