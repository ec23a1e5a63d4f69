//! `create`, `get` and `list`, in both forms.

use serde_json::Value;

use crate::program::run;
use crate::replica::{Fault, Replica};

async fn create(replica: &Replica, name: &str) {
    let email = format!("{name}@example.com");
    let ended = run(&[
        "create",
        "--display-name",
        name,
        "--email",
        &email,
        "--target",
        &replica.target(),
    ])
    .await;
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_created_can_be_read_back_as_protojson() {
    let replica = Replica::start("a", Fault::None);
    let target = replica.target();
    let created = run(&[
        "create",
        "--display-name",
        "Ada Lovelace",
        "--email",
        "ada@example.com",
        "--age",
        "36",
        "--target",
        &target,
        "--output",
        "json",
    ])
    .await;
    assert_eq!(created.code, 0, "{created:?}");
    let id = created.json()["id"].as_str().expect("an id").to_owned();
    let read = run(&["get", &id, "--target", &target, "--output", "json"]).await;
    let user = read.json();
    assert_eq!(
        user["displayName"], "Ada Lovelace",
        "names are those of ProtoJSON"
    );
    assert_eq!(user["age"], 36);
    assert_eq!(
        user["createTime"], "2023-11-14T22:13:20Z",
        "times are RFC 3339"
    );
    assert_eq!(user.get("updateTime"), None, "what is absent is left out");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_shows_one_field_per_line() {
    let replica = Replica::start("a", Fault::None);
    create(&replica, "Ada").await;
    let ended = run(&["get", "id-0", "--target", &replica.target()]).await;
    assert_eq!(
        ended.stdout,
        "id            id-0\ndisplay_name  Ada\nemail         Ada@example.com\n\
         create_time   2023-11-14T22:13:20Z\netag          e0\n",
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_ends_with_the_way_to_the_next_one() {
    let replica = Replica::start("a", Fault::None);
    for name in ["Ada", "Bob", "Cleo"] {
        create(&replica, name).await;
    }
    let target = replica.target();
    let page = run(&["list", "--page-size", "2", "--target", &target]).await;
    assert_eq!(
        page.stdout.lines().count(),
        3,
        "a header and two rows: {page:?}"
    );
    assert!(page.stderr.contains("--page-token 2"), "{page:?}");
    let rest = run(&[
        "list",
        "--page-size",
        "2",
        "--page-token",
        "2",
        "--target",
        &target,
    ])
    .await;
    assert!(
        rest.stdout.contains("Cleo") && !rest.stdout.contains("Ada"),
        "{rest:?}"
    );
    assert_eq!(rest.stderr, "", "the last page must not promise another");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_come_as_one_json_line_each() {
    let replica = Replica::start("a", Fault::None);
    for name in ["Ada", "Bob", "Cleo"] {
        create(&replica, name).await;
    }
    let ended = run(&[
        "list",
        "--all",
        "--page-size",
        "2",
        "--output",
        "json",
        "--target",
        &replica.target(),
    ])
    .await;
    let names: Vec<String> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("every line is JSON"))
        .flat_map(|page| page["users"].as_array().cloned().expect("a page has users"))
        .map(|user| user["displayName"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(
        names,
        ["Ada", "Bob", "Cleo"],
        "every entry must come once, in order"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_narrows_the_list() {
    let replica = Replica::start("a", Fault::None);
    for name in ["Ada", "Bob"] {
        create(&replica, name).await;
    }
    let ended = run(&[
        "list",
        "--page-size",
        "9",
        "--prefix",
        "B",
        "--target",
        &replica.target(),
    ])
    .await;
    assert!(
        ended.stdout.contains("Bob") && !ended.stdout.contains("Ada"),
        "{ended:?}"
    );
}
