//! `xtask certs` as a process: the names and the permissions, and what it does not overwrite.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;

const FILES: [&str; 6] = [
    "ca.crt",
    "ca.key",
    "client.crt",
    "client.key",
    "server.crt",
    "server.key",
];

pub(crate) fn certs(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["certs", "--dir"])
        .arg(dir)
        .args(arguments)
        .output()
        .unwrap()
}

fn texts(dir: &Path) -> Vec<String> {
    let read = |name| fs::read_to_string(dir.join(name)).unwrap();
    FILES.map(read).into()
}

/// The names of a certificate, and for how many days from now it is valid.
fn names(dir: &Path, file: &str) -> (BTreeSet<String>, i64) {
    let pem = fs::read(dir.join(file)).unwrap();
    let pem = Pem::iter_from_buffer(&pem).next().unwrap().unwrap();
    let certificate = pem.parse_x509().unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    let names = names.value.general_names.iter().map(|name| match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::URI(uri) => (*uri).to_owned(),
        GeneralName::IPAddress([127, 0, 0, 1]) => "127.0.0.1".to_owned(),
        GeneralName::IPAddress(address) if address.len() == 16 && address[15] == 1 => {
            "::1".to_owned()
        }
        other => panic!("no name for a caller: {other}"),
    });
    let left = certificate.validity().time_to_expiration().unwrap();
    (names.collect(), left.whole_hours() / 24)
}

#[test]
fn the_certificates_have_the_names_that_the_manifests_need() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("new").join("certs");
    let output = certs(&dir, &["--namespace", "shop", "--days", "8"]);
    assert!(output.status.success(), "{output:?}");
    let warned = String::from_utf8_lossy(&output.stderr).contains("For development only");
    assert!(warned, "{output:?}");

    let server = [
        "user-server",
        "user-server.shop",
        "user-server.shop.svc",
        "user-server.shop.svc.cluster.local",
        "user-server-headless",
        "user-server-headless.shop",
        "user-server-headless.shop.svc",
        "user-server-headless.shop.svc.cluster.local",
        "localhost",
        "127.0.0.1",
        "::1",
        "spiffe://cluster.local/ns/shop/sa/user-server",
    ];
    let expected = server.map(str::to_owned).into();
    assert_eq!(names(&dir, "server.crt"), (expected, 7));
    let client = ["spiffe://cluster.local/ns/shop/sa/user-client".to_owned()];
    assert_eq!(names(&dir, "client.crt"), (client.into(), 7));
}

#[test]
fn keys_are_for_their_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    assert!(certs(folder.path(), &[]).status.success());
    for name in FILES {
        let mode = fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions();
        let expected = if name.contains("key") { 0o600 } else { 0o644 };
        assert_eq!(mode.mode() & 0o777 & !expected, 0, "{name}: {mode:?}");
    }
    let there: BTreeSet<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        there,
        FILES.map(str::to_owned).into(),
        "nothing is left over"
    );
}

#[test]
fn nothing_is_overwritten_without_force() {
    let folder = tempfile::tempdir().unwrap();
    let one = folder.path().join("client.key");
    fs::write(&one, "mine").unwrap();
    let refused = certs(folder.path(), &[]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said = String::from_utf8(refused.stderr).unwrap();
    let path = one.display().to_string();
    assert!(said.contains(&path) && said.contains("--force"), "{said}");
    assert_eq!(fs::read_to_string(&one).unwrap(), "mine");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    assert!(certs(folder.path(), &["--force"]).status.success());
    let before = texts(folder.path());
    assert!(certs(folder.path(), &["--force"]).status.success());
    for (name, (old, new)) in FILES.iter().zip(before.iter().zip(texts(folder.path()))) {
        assert_ne!(*old, new, "{name} must be new");
    }
}

#[test]
fn renewed_certificates_are_the_same_authoritys() {
    let folder = tempfile::tempdir().unwrap();
    let refused = certs(folder.path(), &["--renew"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("ca.crt"), "there is no authority: {said}");

    assert!(certs(folder.path(), &[]).status.success());
    let before = texts(folder.path());
    assert!(certs(folder.path(), &["--renew"]).status.success());
    for (name, (old, new)) in FILES.iter().zip(before.iter().zip(texts(folder.path()))) {
        let is_kept = name.starts_with("ca.");
        assert_eq!(*old == new, is_kept, "{name}");
    }
}

#[test]
fn what_is_no_namespace_is_bad_usage() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [["--namespace", "a/b"], ["--days", "0"]] {
        let output = certs(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(64), "{output:?}");
    }
}
