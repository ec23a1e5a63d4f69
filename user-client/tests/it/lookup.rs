//! `lookup`: a pipeline of questions, from arguments and from standard input.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::program::{Ended, command, end, run};
use crate::replica::{Fault, Replica};

/// Runs `lookup` with this standard input.
async fn lookup(target: &str, args: &[&str], input: &[u8]) -> Ended {
    let mut child = command(&[&["lookup", "--target", target], args].concat(), &[])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // Beside the reading of what comes out, as a shell's pipe does it.
    let writing = tokio::spawn(async move { stdin.write_all(&input).await });
    let ended = end(child).await;
    // A program that has ended early reads no more.
    let _closed = writing.await.unwrap();
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_and_addresses_are_told_apart_and_answers_carry_their_tag() {
    let replica = Replica::start("a", Fault::None);
    let target = replica.target();
    for name in ["Ada", "Bob"] {
        replica.store.add(name);
    }
    let args = ["lookup", "id-1", "Ada@example.com", "--target", &target];
    let ended = run(&args).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let mut rows: Vec<_> = ended.stdout.lines().skip(1).collect();
    rows.sort_unstable();
    assert!(rows[0].starts_with("     1  id-1"), "{ended:?}");
    assert!(rows[1].starts_with("     2  id-0"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_found_keeps_none_of_the_others() {
    let replica = Replica::start("a", Fault::None);
    replica.store.add("Ada");
    let args = ["--output", "json"];
    let ended = lookup(&replica.target(), &args, b"nobody\n\n  id-0\r\n").await;
    assert_eq!(ended.code, 66, "{ended:?}");
    let mut answers: Vec<Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    answers.sort_by_key(|it| it["tag"].as_str().unwrap().to_owned());
    assert_eq!(answers[0]["key"], "nobody");
    assert_eq!(answers[0]["error"]["reason"], "NOT_FOUND");
    assert_eq!(answers[1]["key"], "id-0", "white space is no part of a key");
    assert_eq!(answers[1]["user"]["displayName"], "Ada");
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_keys_go_through_a_narrow_pipe() {
    let replica = Replica::start("a", Fault::None);
    replica.store.add("Ada");
    let input = "id-0\n".repeat(3_000);
    for in_flight in ["1", "64"] {
        let args = ["--in-flight", in_flight, "--output", "json"];
        let count = if in_flight == "1" { 200 } else { 3_000 };
        let input = &input.as_bytes()[..count * 5];
        let ended = lookup(&replica.target(), &args, input).await;
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert_eq!(ended.stdout.lines().count(), count, "every key once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_does_not_wait_for_the_end_of_the_input() {
    let replica = Replica::start("a", Fault::None);
    replica.store.add("Ada");
    let target = replica.target();
    let args = ["lookup", "--output", "json", "--target", &target];
    let mut child = command(&args, &[]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        stdin.write_all(b"id-0\n").await.unwrap();
        let line = lines.next_line().await.unwrap().expect("an answer");
        assert!(line.contains("Ada@example.com"), "{line}");
    }
    drop(stdin);
    assert_eq!(end(child).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_keys_are_no_questions() {
    let replica = Replica::start("a", Fault::None);
    let ended = lookup(&replica.target(), &["-", "--output", "json"], b"").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_text_is_refused() {
    let replica = Replica::start("a", Fault::None);
    let ended = lookup(&replica.target(), &[], b"id-0\n\xff\xfe\n").await;
    assert_eq!(ended.code, 74, "{ended:?}");
    assert!(ended.stderr.contains("standard input"), "{ended:?}");
}

/// A `lookup` with its pipes, after its first answer.
async fn begun(target: &str, args: &[&str]) -> (Child, ChildStdin, Lines<BufReader<ChildStdout>>) {
    let shared = ["lookup", "--output", "json", "--target", target];
    let mut child = command(&[&shared, args].concat(), &[])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    stdin.write_all(b"id-0\n").await.unwrap();
    lines.next_line().await.unwrap().expect("an answer");
    (child, stdin, lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stays_away_ends_the_lookup_with_its_code() {
    let replica = Replica::start("a", Fault::None);
    replica.store.add("Ada");
    let (child, _stdin, _lines) = begun(&replica.target(), &["--timeout", "300ms"]).await;
    drop(replica);
    let ended = end(child).await;
    assert_eq!(ended.code, 69, "{ended:?}");
    assert!(ended.stderr.contains("LookupUsers failed"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_is_asked_again_and_no_key_is_lost() {
    let replica = Replica::start("a", Fault::None);
    replica.store.add("Ada");
    let (store, address) = (replica.store.clone(), replica.address);
    let (child, mut stdin, mut lines) = begun(&replica.target(), &["--timeout", "30s"]).await;
    drop(replica);
    stdin.write_all(&b"id-0\n".repeat(200)).await.unwrap();
    let _replica = Replica::start_at(address, "a", Fault::None, store);
    drop(stdin);
    let mut tags = vec![1];
    while let Some(line) = lines.next_line().await.unwrap() {
        let answer: Value = serde_json::from_str(&line).unwrap();
        tags.push(answer["tag"].as_str().unwrap().parse().unwrap());
    }
    tags.sort_unstable();
    assert_eq!(
        tags,
        (1..=201).collect::<Vec<u32>>(),
        "every key must be answered once"
    );
    assert_eq!(end(child).await.code, 0);
}
