//! How much a real process logs, changed while it runs: by its ops listener and by signals.

#![cfg(unix)]

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use user_api::v1;

use crate::process::Process;
use crate::running::soon;

const CHANGE: &str = "the filter of the logs changes";

/// The status code and the body.
async fn ask(process: &Process, method: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(process.ops).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} /log-level HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    soon("the answer", stream.read_to_string(&mut response))
        .await
        .unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    (code, body.to_owned())
}

async fn call(process: &Process) {
    let mut client = process.client().await;
    let request = v1::ListUsersRequest::default();
    client.list_users(request).await.unwrap();
}

/// Ends the process, which has logged no call since the last line that was looked for.
async fn ends_without_a_line_for_a_call(mut process: Process) {
    process.signal("-TERM").await;
    let rest = process.rest_of_log().await;
    assert!(!rest.is_empty(), "the end is logged");
    let calls: Vec<_> = rest.iter().filter(|it| it["target"] == "access").collect();
    assert!(
        calls.is_empty(),
        "calls that worked are not shown: {calls:?}"
    );
    assert_eq!(process.exit_code().await, Some(0));
}

#[tokio::test]
async fn every_call_is_shown_for_as_long_as_an_operator_wants_to_see_it() {
    let mut process = Process::start(&[]).await;
    assert_eq!(ask(&process, "GET", "").await, (200, "info\n".to_owned()));
    call(&process).await;

    let more = "info,access=debug";
    let answer = ask(&process, "PUT", &format!("{more}\n")).await;
    assert_eq!(answer, (200, format!("{more}\n")));
    assert_eq!(ask(&process, "GET", "").await, (200, format!("{more}\n")));
    let change = process.log_line(CHANGE).await;
    assert_eq!(
        (&change["from"], &change["to"]),
        (&"info".into(), &more.into())
    );
    call(&process).await;
    let line = process.log_line("call finished").await;
    assert_eq!(line["level"], "DEBUG", "{line}");
    assert_eq!(line["code"], "OK", "{line}");
    assert_eq!(line["method"], "user.v1.UserService/ListUsers", "{line}");

    assert_eq!(
        ask(&process, "DELETE", "").await,
        (200, "info\n".to_owned())
    );
    process.log_line(CHANGE).await;
    call(&process).await;
    ends_without_a_line_for_a_call(process).await;
}

#[tokio::test]
async fn what_is_no_filter_is_refused_and_changes_nothing() {
    let process = Process::start(&[]).await;
    for (body, why) in [
        ("inof", "\"inof\" is no level; a target's is TARGET=LEVEL"),
        ("", "there is no directive"),
        ("access=loud", "a directive cannot be read"),
    ] {
        let (code, text) = ask(&process, "PUT", body).await;
        assert_eq!(code, 400, "{body:?}: {text}");
        let expected = "expected filter directives, such as \"info\" or \"info,access=debug\"";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains(why), "{text}");
    }
    let (code, _) = ask(&process, "PUT", &"x".repeat(5000)).await;
    assert_eq!(code, 413, "a filter is short");
    assert_eq!(ask(&process, "GET", "").await, (200, "info\n".to_owned()));
    ends_without_a_line_for_a_call(process).await;
}

#[tokio::test]
async fn a_signal_shows_more_and_another_one_what_the_settings_say() {
    let mut process = Process::start(&["--set", "log.filter=info,tower=off"]).await;
    process.signal("-USR1").await;
    let change = process.log_line(CHANGE).await;
    let more = "info,tower=off,access=debug,service_runtime=debug,user_server=debug";
    assert_eq!(change["to"], more, "{change}");
    call(&process).await;
    process.log_line("call finished").await;
    process.signal("-USR2").await;
    let change = process.log_line(CHANGE).await;
    assert_eq!(change["to"], "info,tower=off", "{change}");
    call(&process).await;
    ends_without_a_line_for_a_call(process).await;
}
