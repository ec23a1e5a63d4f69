//! What is made from the command line itself: completion scripts and manual pages.

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;

use crate::program::run;

/// Checks a script with the shell that it is for; `false` when that shell is not here.
async fn is_accepted_by(shell: &str, script: &str) -> Option<bool> {
    let mut child = tokio::process::Command::new(shell)
        .arg("-n")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(script.as_bytes()).await.unwrap();
    drop(stdin);
    Some(child.wait().await.unwrap().success())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shell_gets_a_script_that_knows_every_sub_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = run(&["completions", shell]).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        for word in ["batch-get", "delete", "allow-missing", "page-size"] {
            assert!(ended.stdout.contains(word), "{word} is missing for {shell}");
        }
        if matches!(shell, "bash" | "zsh" | "fish") {
            match is_accepted_by(shell, &ended.stdout).await {
                Some(accepted) => assert!(accepted, "{shell} must accept its script"),
                None => println!("SKIPPED: there is no {shell} to check its script"),
            }
        }
    }
    assert_eq!(run(&["completions", "tcsh"]).await.code, 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manual_says_what_help_says() {
    let program = run(&["man"]).await;
    assert_eq!(program.code, 0, "{program:?}");
    for part in [".TH user-client 1", "user\\-client\\-get(1)", "Exit codes"] {
        assert!(program.stdout.contains(part), "{part:?} is missing");
    }
    let page = run(&["man", "update"]).await;
    for part in [
        ".TH user-client-update 1",
        "\\-\\-clear\\-age",
        "\\-\\-target",
    ] {
        assert!(page.stdout.contains(part), "{part:?} is missing: {page:?}");
    }
    let unknown = run(&["man", "no-such"]).await;
    assert_eq!(unknown.code, 64, "{unknown:?}");
    assert!(unknown.stderr.contains("no-such"), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_are_written_into_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(&["man", "--dir", folder.path().to_str().unwrap()]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    for page in [
        "user-client.1",
        "user-client-get.1",
        "user-client-config-print.1",
    ] {
        assert!(folder.path().join(page).is_file(), "{page} is missing");
    }
    let nowhere = run(&["man", "--dir", "/no/such/folder"]).await;
    assert_eq!(nowhere.code, 74, "{nowhere:?}");
}
