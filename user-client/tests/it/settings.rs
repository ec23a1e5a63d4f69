//! The layers of settings, seen from outside.

use crate::program::{command, end, run};
use crate::replica::{Fault, Replica};

#[tokio::test(flavor = "multi_thread")]
async fn server_host_names_the_target() {
    let replica = Replica::start("a", Fault::None);
    let address = replica.address.to_string();
    let child = command(&["list"], &[("SERVER_HOST", &address)])
        .spawn()
        .unwrap();
    let ended = end(child).await;
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn config_print_shows_each_value_with_its_layer_and_can_be_checked() {
    let child = command(
        &["config", "print", "--timeout", "3s"],
        &[("USER_CLIENT__TARGET", "dns:///elsewhere:1")],
    );
    let printed = end({ child }.spawn().unwrap()).await;
    assert_eq!(printed.code, 0, "{printed:?}");
    for part in [
        "target = \"dns:///elsewhere:1\"  # environment variable USER_CLIENT__TARGET",
        "timeout = \"3s\"  # flag --timeout",
        "wait_for_ready = false  # default",
    ] {
        assert!(
            printed.stdout.contains(part),
            "{part:?} is missing: {printed:?}"
        );
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &printed.stdout).unwrap();
    let checked = run(&["config", "check", file.path().to_str().unwrap()]).await;
    assert_eq!(
        checked.code, 0,
        "what is printed must be accepted: {checked:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_file_is_refused_with_key_line_and_64() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "target = \"a:1\"\ntimeuot = \"1s\"\n").unwrap();
    let path = file.path().to_str().unwrap();
    for args in [&["config", "check", path][..], &["list", "--config", path]] {
        let ended = run(args).await;
        assert_eq!(ended.code, 64, "{ended:?}");
        for part in ["timeuot", ":2", "timeout"] {
            assert!(
                ended.stderr.contains(part),
                "{part:?} is missing: {ended:?}"
            );
        }
    }
}
