//! `batch-get`, `update` and `delete`, compression, and output whose reader goes away.

use std::process::Stdio;

use crate::program::{command, end, run};
use crate::replica::{Fault, Replica};

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_shows_what_is_there_and_says_what_is_not() {
    let replica = Replica::start("a", Fault::None);
    let target = replica.target();
    for name in ["Ada", "Bob"] {
        replica.store.add(name);
    }
    let ended = run(&["batch-get", "id-1", "nobody", "id-0", "--target", &target]).await;
    assert_eq!(ended.code, 66, "one is NOT_FOUND: {ended:?}");
    let rows: Vec<_> = ended.stdout.lines().skip(1).collect();
    assert!(
        rows.len() == 2 && rows[0].contains("Bob") && rows[1].contains("Ada"),
        "the order must be that of the ids: {ended:?}"
    );
    assert_eq!(ended.stderr, "not found: nobody\n");

    let all = run(&["batch-get", "id-0", "--target", &target, "-o", "json"]).await;
    assert_eq!(all.code, 0, "{all:?}");
    assert_eq!(all.json()["users"][0]["displayName"], "Ada");
    assert_eq!(all.json().get("missingIds"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_changes_what_its_flags_name_and_nothing_else() {
    let replica = Replica::start("a", Fault::None);
    let target = replica.target();
    replica.store.add("Ada");
    let aged = run(&["update", "id-0", "--age", "36", "--target", &target]).await;
    assert_eq!(aged.code, 0, "{aged:?}");
    let renamed = run(&[
        "update",
        "id-0",
        "--display-name",
        "Ada Lovelace",
        "--target",
        &target,
        "--output",
        "json",
    ])
    .await;
    let user = renamed.json();
    assert_eq!(user["displayName"], "Ada Lovelace");
    assert_eq!(user["age"], 36, "what no flag names must stay: {renamed:?}");
    let cleared = run(&["update", "id-0", "--clear-age", "--target", &target]).await;
    assert!(!cleared.stdout.contains("age"), "{cleared:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_without_a_change_is_a_usage_error() {
    for args in [
        &["update", "id-0"][..],
        &["update", "id-0", "--etag", "e0"],
        &["update", "id-0", "--age", "1", "--clear-age"],
    ] {
        let ended = run(args).await;
        assert_eq!(ended.code, 64, "{args:?}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_etag_is_aborted_and_worth_another_try() {
    let replica = Replica::start("a", Fault::None);
    let target = replica.target();
    replica.store.add("Ada");
    for args in [
        &["update", "id-0", "--age", "1", "--etag", "old"][..],
        &["delete", "id-0", "--etag", "old"],
    ] {
        let ended = run(&[args, &["--target", &target]].concat()).await;
        assert_eq!(ended.code, 75, "ABORTED is EX_TEMPFAIL: {ended:?}");
        assert!(ended.stderr.contains("ABORTED"), "{ended:?}");
    }
    let current = ["delete", "id-0", "--etag", "e0", "--target", &target];
    assert_eq!(run(&current).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_can_be_repeated_when_that_is_asked_for() {
    let replica = Replica::start("a", Fault::None);
    let target = replica.target();
    replica.store.add("Ada");
    let first = run(&["delete", "id-0", "--target", &target]).await;
    assert_eq!((first.code, first.stdout.as_str()), (0, "deleted id-0\n"));
    assert!(replica.store.users().is_empty());
    assert_eq!(run(&["delete", "id-0", "--target", &target]).await.code, 66);
    let again = run(&[
        "delete",
        "id-0",
        "--allow-missing",
        "--target",
        &target,
        "--output",
        "json",
    ])
    .await;
    assert_eq!((again.code, again.stdout.as_str()), (0, "{}\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_compressed_as_the_setting_says() {
    let replica = Replica::start("a", Fault::None);
    replica.store.add("Ada");
    for (setting, encoding) in [
        ("off", None),
        ("gzip", Some("gzip")),
        ("zstd", Some("zstd")),
    ] {
        let ended = run(&[
            "get",
            "id-0",
            "--target",
            &replica.target(),
            "--set",
            &format!("compression={setting}"),
        ])
        .await;
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.stdout.contains("Ada@example.com"), "{ended:?}");
        assert_eq!(
            replica.store.encoding.lock().unwrap().as_deref(),
            encoding,
            "the server must have been sent {setting}"
        );
    }
    let wrong = run(&["get", "id-0", "--set", "compression=brotli"]).await;
    assert_eq!(wrong.code, 64, "{wrong:?}");
    for part in ["compression", "expected off, gzip or zstd"] {
        assert!(
            wrong.stderr.contains(part),
            "{part:?} is missing: {wrong:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_is_no_failure() {
    let replica = Replica::start("a", Fault::None);
    let target = replica.target();
    for number in 0..2_000 {
        replica.store.add(&format!("name-{number}"));
    }
    let mut child = command(
        &["list", "--all", "--page-size", "10", "--target", &target],
        &[],
    )
    .stdout(Stdio::piped())
    .spawn()
    .unwrap();
    // As `head` does: the pipe is closed long before all is written.
    drop(child.stdout.take());
    let ended = end(child).await;
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (0, ""),
        "a closed pipe must end the program without a word"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_is_a_header_and_exit_code_0() {
    let replica = Replica::start("a", Fault::None);
    let ended = run(&["list", "--all", "--target", &replica.target()]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
    assert!(ended.stdout.starts_with("ID "), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_stands_once_above_all_pages() {
    let replica = Replica::start("a", Fault::None);
    for name in ["Ada", "Bob", "Cleo"] {
        replica.store.add(name);
    }
    let args = [
        "list",
        "--all",
        "--page-size",
        "1",
        "--target",
        &replica.target(),
    ];
    let ended = run(&args).await;
    assert_eq!(ended.stdout.matches("DISPLAY NAME").count(), 1, "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), 4, "{ended:?}");
    let column = |name| {
        let line = ended.stdout.lines().find(|it| it.contains(name)).unwrap();
        line.find(name).unwrap()
    };
    assert_eq!(column("Ada"), column("Cleo"), "columns must stay in place");
}
