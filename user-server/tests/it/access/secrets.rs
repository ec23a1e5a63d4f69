//! What nobody may see, wherever a server writes.

use std::fmt::Write as _;
use std::process::Stdio;

use tonic::Request;
use user_api::v1;

use super::{Files, by, config, hash, user_server};
use crate::running::{SOON, channel};

/// What is planted here must be nowhere to be seen, however much is logged.
#[tokio::test]
async fn no_secret_is_printed_or_logged() {
    const PLANTED: [&str; 7] = [
        "planted-password",
        "planted-token",
        "planted-second-token",
        "planted-guess",
        // What the others look like on the wire and in files.
        "cGxhbnRlZC1zaWduaW5nLXNlY3JldC0wMTIz",
        "cmVhZGVyOnBsYW50ZWQtcGFzc3dvcmQ",
        "$argon2id$",
    ];
    let files = Files::new();
    std::fs::write(
        files.path("passwords"),
        format!("reader:{}\n", hash("planted-password")),
    )
    .unwrap();
    let config = config(&files, "open_reflection = true");
    let mut printed = user_server(&config, &["config", "print"])
        .output()
        .unwrap()
        .stdout;

    let log = std::fs::File::create(files.path("log")).unwrap();
    let mut server = user_server(&config, &["--set", "log.filter=trace", "--exit-with-stdin"])
        .args(["--set", "log.format=json", "--set", "drain.notice=0s"])
        .stdin(Stdio::piped())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let read = || std::fs::read_to_string(files.path("log")).unwrap();
    let address = tokio::time::timeout(SOON, async {
        loop {
            let log = read();
            let found = log.split("\"grpc\":\"").nth(1);
            let address = found.and_then(|it| it.split('"').next());
            if let Some(Ok(address)) = address.map(str::parse) {
                break address;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the server must say where it listens");
    let mut client = v1::user_service_client::UserServiceClient::new(channel(address).await);
    let list = v1::ListUsersRequest::default;
    client
        .list_users(by("reader", "planted-password", list()))
        .await
        .unwrap();
    let guess = by("reader", "planted-guess", list());
    let mut told = format!("{:?}", client.list_users(guess).await.unwrap_err());
    let mut request = Request::new(list());
    let token = "Bearer planted-token.planted-token.planted-token";
    request
        .metadata_mut()
        .insert("authorization", token.parse().unwrap());
    let second = "Bearer planted-second-token".parse().unwrap();
    request.metadata_mut().append("authorization", second);
    write!(told, "{:?}", client.list_users(request).await.unwrap_err()).unwrap();
    let mut request = Request::new(list());
    request
        .metadata_mut()
        .insert("username", "reader".parse().unwrap());
    request
        .metadata_mut()
        .insert("password", "planted-guess".parse().unwrap());
    write!(told, "{:?}", client.list_users(request).await.unwrap_err()).unwrap();
    drop(server.stdin.take());
    assert!(server.wait().unwrap().success());

    let log = read();
    assert!(
        log.contains("basic:reader"),
        "the access log names the caller:\n{log}"
    );
    assert!(
        log.contains("wrong name or password"),
        "and why a call was refused"
    );
    printed.extend(log.into_bytes());
    printed.extend(told.into_bytes());
    let printed = String::from_utf8(printed).unwrap();
    for secret in PLANTED {
        let at = printed.find(secret);
        let around = at.map(|at| &printed[at.saturating_sub(200)..at + secret.len()]);
        assert_eq!(around, None, "{secret} must not be seen");
    }
}
