//! `watch`: nothing missed and nothing twice, whatever becomes of one stream or one run.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout};

use crate::program::{Ended, command, end, interrupt, run};
use crate::replica::{Fault, Replica, Store};

const BOUND: Duration = Duration::from_secs(30);

/// A `watch --output json` that runs.
struct Watcher {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Watcher {
    fn start(target: &str, args: &[&str]) -> Self {
        let shared = ["watch", "--output", "json", "--target", target];
        let mut child = command(&[&shared, args].concat(), &[]).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// Starts with the state of now, and waits until changes follow.
    async fn start_synced(target: &str, args: &[&str]) -> Self {
        let mut watcher = Self::start(target, &[&["--initial-sync"], args].concat());
        while watcher.event().await.get("initialSyncComplete").is_none() {}
        watcher
    }

    async fn event(&mut self) -> Value {
        let line = tokio::time::timeout(BOUND, self.stdout.next_line());
        let line = line.await.expect("an event must come").unwrap();
        serde_json::from_str(&line.expect("the program must not end")).unwrap()
    }

    /// The next change, as `added Ada`.
    async fn change(&mut self) -> String {
        let event = self.event().await;
        let kind = event["change"]["type"].as_str().unwrap().to_lowercase();
        let name = event["change"]["user"]["displayName"].as_str().unwrap();
        format!("{} {name}", kind.strip_prefix("change_type_").unwrap())
    }

    async fn notice(&mut self) -> String {
        let line = tokio::time::timeout(BOUND, self.stderr.next_line());
        line.await.expect("a notice must come").unwrap().unwrap()
    }

    /// Sends Ctrl-C, and collects what was not read yet.
    async fn stop(mut self) -> Ended {
        interrupt(&self.child).await;
        let mut stdout = String::new();
        while let Some(line) = self.stdout.next_line().await.unwrap() {
            stdout += &line;
        }
        let mut stderr = String::new();
        while let Some(line) = self.stderr.next_line().await.unwrap() {
            stderr += &line;
        }
        let ended = end(self.child).await;
        Ended {
            stdout,
            stderr,
            ..ended
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_shown_as_they_come() {
    let replica = Replica::start("a", Fault::None);
    replica.store.add("Ada");
    let mut watcher = Watcher::start(&replica.target(), &["--initial-sync"]);
    assert_eq!(watcher.change().await, "added Ada");
    let complete = watcher.event().await;
    assert!(complete.get("initialSyncComplete").is_some(), "{complete}");
    replica.store.add("Bob");
    assert_eq!(watcher.change().await, "added Bob");
    replica.store.delete("id-0", "").unwrap();
    assert_eq!(watcher.change().await, "deleted Ada");
    let ended = watcher.stop().await;
    assert_eq!(ended.code, 0, "Ctrl-C is how a watch ends: {ended:?}");
    assert_eq!(ended.stderr, "To continue: --resume-token 3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_changes_is_for_people() {
    let replica = Replica::start("a", Fault::None);
    replica.store.add("Ada");
    let target = replica.target();
    let child = command(&["watch", "--initial-sync", "--target", &target], &[]);
    let mut child = { child }.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let header = lines.next_line().await.unwrap().unwrap();
    let row = lines.next_line().await.unwrap().unwrap();
    assert!(header.starts_with("CHANGE    ID"), "{header}");
    assert!(row.starts_with("added     id-0"), "{row}");
    assert_eq!(header.find("EMAIL"), row.find("Ada@example.com"), "{row}");
    interrupt(&child).await;
    assert_eq!(end(child).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_loses_no_change_and_repeats_none() {
    let store = Arc::<Store>::default();
    let mut replicas = Vec::new();
    for name in ["a", "b", "c"] {
        replicas.push(Replica::start_on(name, Fault::None, store.clone()));
    }
    let addresses: Vec<_> = replicas.iter().map(|it| it.address.to_string()).collect();
    let target = format!("ipv4:{}", addresses.join(","));
    let mut watcher = Watcher::start_synced(&target, &[]).await;
    let mut expected = Vec::new();
    let mut change = |name: String| {
        expected.push(format!("added {name}"));
        store.add(&name);
    };
    for (round, name) in ["a", "b", "c"].into_iter().enumerate() {
        change(format!("before-{round}"));
        let replica = replicas.remove(0);
        let address = replica.address;
        replica.drain();
        change(format!("draining-{round}"));
        drop(replica);
        change(format!("gone-{round}"));
        replicas.push(Replica::start_at(address, name, Fault::None, store.clone()));
        change(format!("back-{round}"));
    }
    let mut seen = Vec::new();
    while seen.len() < expected.len() {
        seen.push(watcher.change().await);
    }
    assert_eq!(seen, expected, "every change must come once, in order");
    let ended = watcher.stop().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_and_comes_back_is_found_again() {
    let replica = Replica::start("a", Fault::None);
    let (store, address) = (replica.store.clone(), replica.address);
    let mut watcher = Watcher::start_synced(&replica.target(), &[]).await;
    store.add("Ada");
    assert_eq!(watcher.change().await, "added Ada");
    drop(replica);
    let notice = watcher.notice().await;
    assert!(
        notice.starts_with("lost: UNAVAILABLE") && notice.contains("again in"),
        "{notice}"
    );
    store.add("Bob");
    let _replica = Replica::start_at(address, "a", Fault::None, store.clone());
    assert_eq!(watcher.change().await, "added Bob");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_is_shed_goes_on_after_what_it_has_seen() {
    let replica = Replica::start("a", Fault::ShedWatchAfter(3));
    let mut watcher = Watcher::start_synced(&replica.target(), &[]).await;
    let names: Vec<_> = (0..20).map(|number| format!("name-{number}")).collect();
    for name in &names {
        replica.store.add(name);
    }
    for name in &names {
        assert_eq!(watcher.change().await, format!("added {name}"));
    }
    let notice = watcher.notice().await;
    assert!(notice.starts_with("lost: RESOURCE_EXHAUSTED"), "{notice}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_run_continues_from_the_state_file() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("changes");
    let args = ["--state", state.to_str().unwrap()];
    let replica = Replica::start("a", Fault::None);
    replica.store.add("Ada");
    let mut first = Watcher::start_synced(&replica.target(), &args).await;
    replica.store.add("Bob");
    assert_eq!(first.change().await, "added Bob");
    let ended = first.stop().await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("continues from"), "{ended:?}");
    assert_eq!(std::fs::read_to_string(&state).unwrap(), "2\n");

    replica.store.add("Cleo");
    let with_sync = [&["--initial-sync"], &args[..]].concat();
    let mut second = Watcher::start(&replica.target(), &with_sync);
    assert_eq!(
        second.change().await,
        "added Cleo",
        "what the first run showed must not come again"
    );
    assert_eq!(second.stop().await.code, 0);
    assert_eq!(std::fs::read_to_string(&state).unwrap(), "3\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_file_follows_while_the_run_lasts() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("changes");
    let replica = Replica::start("a", Fault::None);
    let args = ["--state", state.to_str().unwrap()];
    let _watcher = Watcher::start_synced(&replica.target(), &args).await;
    replica.store.add("Ada");
    let written = async {
        while std::fs::read_to_string(&state).unwrap_or_default() != "1\n" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(BOUND, written)
        .await
        .expect("a killed process must have left its place");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_says_where_it_came_from_and_what_to_do() {
    let replica = Replica::start("a", Fault::None);
    let target = replica.target();
    replica.store.add("Ada");
    replica.store.forget_changes();
    let malformed = run(&["watch", "--resume-token", "x", "--target", &target]).await;
    let expired = run(&["watch", "--resume-token", "0", "--target", &target]).await;
    for (ended, reason) in [
        (
            malformed,
            "resume_token: is none that this service has made",
        ),
        (expired, "reason: RESUME_TOKEN_EXPIRED"),
    ] {
        assert_eq!(ended.code, 65, "{ended:?}");
        for part in [
            "the resume token does not continue",
            reason,
            "--initial-sync",
        ] {
            assert!(
                ended.stderr.contains(part),
                "{part:?} is missing: {ended:?}"
            );
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "0\n").unwrap();
    let path = file.path().to_str().unwrap();
    let ended = run(&["watch", "--state", path, "--target", &target]).await;
    assert_eq!(ended.code, 65, "{ended:?}");
    assert!(ended.stderr.contains(path), "{ended:?}");
    std::fs::write(file.path(), "").unwrap();
    let ended = run(&["watch", "--state", path, "--target", &target]).await;
    assert_eq!(ended.code, 65, "an empty file is no token: {ended:?}");
    assert!(ended.stderr.contains("holds no resume token"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_target_is_told_at_once_and_a_lost_one_after_a_while() {
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("ipv4:{}", listener.local_addr().unwrap())
    };
    let never = run(&["watch", "--target", &gone]).await;
    assert_eq!(never.code, 69, "{never:?}");
    let replica = Replica::start("a", Fault::None);
    replica.store.add("Ada");
    let args = ["--give-up-after", "500ms"];
    let watcher = Watcher::start_synced(&replica.target(), &args).await;
    drop(replica);
    let ended = end(watcher.child).await;
    assert_eq!(ended.code, 69, "it must not try for ever: {ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_whose_reader_goes_away_ends_without_a_word() {
    let replica = Replica::start("a", Fault::None);
    let mut watcher = Watcher::start_synced(&replica.target(), &[]).await;
    drop(watcher.stdout);
    // The pipe tells only a writer that it is closed.
    replica.store.add("Ada");
    replica.store.add("Bob");
    assert_eq!(end(watcher.child).await.code, 0);
    assert_eq!(watcher.stderr.next_line().await.unwrap(), None);
}
