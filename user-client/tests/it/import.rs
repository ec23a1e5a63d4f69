//! `import`: files of both formats, malformed input, and servers that refuse rows or die.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin};

use crate::program::{Ended, command, end, interrupt, run};
use crate::replica::{Fault, Replica};

const BOUND: Duration = Duration::from_secs(30);

/// A file of this name in a folder that lives as long as the first value.
fn file(name: &str, content: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

async fn import(replica: &Replica, path: &std::path::Path, args: &[&str]) -> Ended {
    let target = replica.target();
    let path = path.to_str().unwrap();
    run(&[&["import", path, "--target", &target], args].concat()).await
}

/// An import from standard input that has begun: its first rows have arrived.
async fn begun(replica: &Replica) -> (Child, ChildStdin) {
    let target = replica.target();
    let args = ["import", "-", "--format", "csv", "--target", &target];
    let mut child = command(&args, &[]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let rows = "display_name,email\nAda,ada@example.com\nBob,bob@example.com\n";
    stdin.write_all(rows.as_bytes()).await.unwrap();
    let arrived = async {
        while replica.store.rows_received.load(Ordering::Relaxed) < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(BOUND, arrived)
        .await
        .expect("rows must be sent as they come, before the input ends");
    (child, stdin)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_csv_file_becomes_entries() {
    let replica = Replica::start("a", Fault::None);
    let content =
        "email,display_name,age\nada@example.com,\"Lovelace, Ada\",36\nbob@example.com,Bob,\n";
    let (_folder, path) = file("people.csv", content);
    let ended = import(&replica, &path, &[]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(
        ended.stdout,
        "2 received, 2 created, 0 refused, 0 malformed and not sent\n"
    );
    let users = replica.store.users();
    assert_eq!(users[0].display_name, "Lovelace, Ada");
    assert_eq!((users[0].age, users[1].age), (Some(36), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_list_prints_can_be_imported_elsewhere() {
    let (from, to) = (
        Replica::start("a", Fault::None),
        Replica::start("b", Fault::None),
    );
    for name in ["Ada", "Bob"] {
        from.store.add(name);
    }
    let (target, json) = (from.target(), ["--output", "json"]);
    let listed = run(&[&["list", "--target", &target][..], &json].concat()).await;
    let rows =
        listed.json()["users"]
            .as_array()
            .unwrap()
            .iter()
            .fold(String::new(), |mut rows, row| {
                writeln!(rows, "{row}").unwrap();
                rows
            });
    let (_folder, path) = file("people.ndjson", rows);
    let ended = import(&to, &path, &json).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(
        ended.json()["createdCount"],
        "2",
        "64-bit numbers are strings in ProtoJSON"
    );
    assert_eq!(to.store.users()[1].email, "Bob@example.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_and_malformed_rows_are_named_and_the_others_kept() {
    let replica = Replica::start("a", Fault::None);
    let content = "display_name,email,age\nAda,ada@example.com,36\nBob,bob@example.com,old\n\
                   Cleo,ada@example.com,1\n\nDan,dan@example.com,4\nEve,nonsense,5\n";
    let (_folder, path) = file("people.csv", content);
    let ended = import(&replica, &path, &[]).await;
    assert_eq!(ended.code, 65, "rows were refused: {ended:?}");
    let name = path.display();
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            "4 received, 2 created, 2 refused, 1 malformed and not sent".to_owned(),
            format!("{name}:4: row 1 of the stream: EMAIL_TAKEN: the e-mail address is taken"),
            format!("{name}:7: row 3 of the stream: INVALID: the request is not valid"),
        ],
    );
    assert!(
        ended.stderr.contains(&format!(
            "{name}:3: age: expected a whole number or nothing, found \"old\""
        )),
        "{ended:?}"
    );
    assert_eq!(replica.store.users().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_get_line_and_index_of_every_row_that_was_not_created() {
    let replica = Replica::start("a", Fault::None);
    let content = "nonsense\n{\"displayName\":\"Ada\",\"email\":\"a\"}\n";
    let (_folder, path) = file("people.jsonl", content);
    let ended = import(&replica, &path, &["--output", "json"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (65, ""), "{ended:?}");
    let json = ended.json();
    assert_eq!(json["errors"][0]["index"], "0");
    assert_eq!(json["errors"][0]["line"], 2);
    assert_eq!(json["malformedCount"], 1);
    assert_eq!(json["malformed"][0]["line"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_used_costs_no_call_and_says_why() {
    let replica = Replica::start("a", Fault::None);
    for (name, content, code, part) in [
        ("empty.csv", "", 65, "expected a header"),
        ("head.csv", "name,mail\n", 65, "the column \"name\""),
        ("people.txt", "", 64, "--format csv|ndjson"),
    ] {
        let (_folder, path) = file(name, content);
        let ended = import(&replica, &path, &[]).await;
        assert_eq!(ended.code, code, "{ended:?}");
        assert!(
            ended.stderr.contains(part),
            "{part:?} is missing: {ended:?}"
        );
        assert!(ended.stderr.contains(name), "{ended:?}");
    }
    let (folder, _) = file("x", "");
    let missing = folder.path().join("missing.csv");
    let ended = import(&replica, &missing, &[]).await;
    assert_eq!(ended.code, 66, "{ended:?}");
    assert!(ended.stderr.contains("missing.csv"), "{ended:?}");
    let ended = import(&replica, folder.path(), &["--format", "csv"]).await;
    assert_eq!(ended.code, 66, "a folder is no file: {ended:?}");
    assert_eq!(replica.calls.load(Ordering::Relaxed), 0, "no call was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_without_rows_creates_nothing() {
    let replica = Replica::start("a", Fault::None);
    for (name, content) in [
        ("empty.ndjson", "\n\n"),
        ("header.csv", "display_name,email\n"),
    ] {
        let (_folder, path) = file(name, content);
        let ended = import(&replica, &path, &[]).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.stdout.starts_with("0 received"), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_before_an_unreadable_place_are_kept_and_summed_up() {
    let replica = Replica::start("a", Fault::None);
    let content = format!(
        "display_name,email\nAda,ada@example.com\n\"Bob,bob@example.com\n{}",
        "x,y\n".repeat(50_000)
    );
    let (_folder, path) = file("people.csv", content);
    let ended = import(&replica, &path, &[]).await;
    assert_eq!(ended.code, 65, "{ended:?}");
    assert!(
        ended.stdout.starts_with("1 received, 1 created"),
        "{ended:?}"
    );
    assert!(
        ended.stderr.contains("line 3: a row of more than") && ended.stderr.contains("quote"),
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_sends_nothing() {
    let replica = Replica::start("a", Fault::None);
    let (_folder, path) = file("people.csv", "display_name,email\nAda,a@example.com\nBob\n");
    let ended = import(&replica, &path, &["--dry-run"]).await;
    assert_eq!(ended.code, 65, "{ended:?}");
    assert_eq!(
        ended.stdout,
        "1 rows could be sent, 1 malformed; nothing was sent\n"
    );
    assert!(
        ended.stderr.contains("people.csv:3: expected 2 fields"),
        "{ended:?}"
    );
    assert_eq!(replica.calls.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_file_goes_through_compressed_too() {
    let replica = Replica::start("a", Fault::None);
    let mut content = "display_name,email\n".to_owned();
    for number in 0..3_000 {
        writeln!(content, "name {number},name-{number}@example.com").unwrap();
    }
    let (_folder, path) = file("people.csv", content);
    let ended = import(&replica, &path, &["--set", "compression=zstd"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(
        ended.stdout.starts_with("3,000 received, 3,000 created"),
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_in_the_midst_is_told_with_how_far_it_was() {
    let replica = Replica::start("a", Fault::None);
    let (child, _stdin) = begun(&replica).await;
    drop(replica);
    let ended = end(child).await;
    assert_eq!(ended.code, 69, "the input is still open: {ended:?}");
    assert!(ended.stderr.contains("2 rows had been sent"), "{ended:?}");
    assert!(
        ended.stderr.contains("ImportUsers failed: UNAVAILABLE"),
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_import_says_how_far_it_was() {
    let replica = Replica::start("a", Fault::None);
    let (child, _stdin) = begun(&replica).await;
    interrupt(&child).await;
    let ended = end(child).await;
    assert_eq!(ended.code, 130, "{ended:?}");
    assert!(ended.stderr.contains("2 rows had been sent"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_standard_input_is_the_end_of_the_import() {
    let replica = Replica::start("a", Fault::None);
    let (child, mut stdin) = begun(&replica).await;
    stdin.write_all(b"Cleo,ada@example.com\n").await.unwrap();
    drop(stdin);
    let ended = end(child).await;
    assert_eq!(ended.code, 65, "{ended:?}");
    assert!(
        ended
            .stdout
            .contains("standard input:4: row 2 of the stream: EMAIL_TAKEN"),
        "{ended:?}"
    );
}
