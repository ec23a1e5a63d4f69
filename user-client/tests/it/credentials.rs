//! TLS and credentials, as far as the command line decides about them.

use std::path::Path;

use crate::program::{Ended, command, end, run};
use crate::replica::{Fault, Replica};

const SECRET: &str = "correct-horse-battery-staple";

async fn list(arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let arguments = [&["list"], arguments].concat();
    end(command(&arguments, environment).spawn().unwrap()).await
}

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_not_sent_over_plaintext_unless_told_so_insecurely() {
    let folder = tempfile::tempdir().unwrap();
    let replica = Replica::start("a", Fault::None);
    let (password, token) = (
        file(folder.path(), "password", SECRET),
        file(folder.path(), "token", SECRET),
    );
    for credentials in [
        &["--basic-name", "ada", "--basic-password-file", &password][..],
        &["--bearer-token-file", &token],
    ] {
        let target = ["--target", &replica.target()];
        let refused = list(&[credentials, &target].concat(), &[]).await;
        assert_eq!(refused.code, 64, "{refused:?}");
        let part =
            "credentials.insecure_over_plaintext (default): expected true, or tls.enabled = true";
        assert!(refused.stderr.contains(part), "{refused:?}");

        let insecurely = ["--insecure-credentials-over-plaintext"];
        let sent = list(&[credentials, &target, &insecurely].concat(), &[]).await;
        assert_eq!(sent.code, 0, "{sent:?}");
        assert!(!format!("{refused:?}{sent:?}").contains(SECRET));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_taken_from_the_environment_and_never_from_an_argument() {
    let replica = Replica::start("a", Fault::None);
    let target = replica.target();
    let insecurely = "--insecure-credentials-over-plaintext";
    let arguments = ["--basic-name", "ada", insecurely, "--target", &target];
    let variable = ("USER_CLIENT__CREDENTIALS__BASIC_PASSWORD", SECRET);
    let sent = list(&arguments, &[variable]).await;
    assert_eq!(sent.code, 0, "{sent:?}");

    let argument = format!("credentials.basic_password={SECRET}");
    let refused = list(&["--set", &argument], &[]).await;
    assert_eq!(refused.code, 64, "{refused:?}");
    assert!(refused.stderr.contains("every process sees"), "{refused:?}");

    let printing = command(
        &["config", "print", "--basic-name", "ada", insecurely],
        &[variable],
    );
    let printed = end({ printing }.spawn().unwrap()).await;
    assert_eq!(printed.code, 0, "{printed:?}");
    assert!(printed.stdout.contains("basic_password = \"[masked]\""));
    assert!(!format!("{printed:?}").contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_belong_together_are_asked_for_together() {
    for (arguments, part) in [
        (
            &["--tls"][..],
            "tls.ca (default): expected the path of a PEM file",
        ),
        (
            &["--tls-ca", "/ca.crt"],
            "tls.enabled (default): expected true",
        ),
        (
            &["--tls", "--tls-ca", "/ca.crt", "--tls-certificate", "/c"],
            "tls.private_key (default): expected the path of a PEM file",
        ),
        (
            &["--basic-name", "ada"],
            "credentials.basic_password_file (default): expected a file with the password",
        ),
    ] {
        let ended = list(arguments, &[]).await;
        assert_eq!(ended.code, 64, "{ended:?}");
        assert!(ended.stderr.contains(part), "{part:?}: {ended:?}");
    }
    let ended = run(&["list", "--tls", "--tls-ca", "/no/such/ca.crt"]).await;
    assert_eq!(ended.code, 64, "{ended:?}");
    let part = "cannot read /no/such/ca.crt: No such file";
    assert!(ended.stderr.contains(part), "{part:?}: {ended:?}");
}
