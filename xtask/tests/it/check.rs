//! `xtask check` as a process: on this repository, and on one that is broken.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// What is quick, and needs no other program.
const QUICK: &[&str] = &[
    "arrows",
    "files",
    "invariants",
    "documents",
    // template:only
    "words",
    // template:end
];

/// What needs nothing but kubectl.
const CONTRACTS: [&str; 15] = [
    "settings",
    "policy",
    "shutdown",
    "probes",
    "selectors",
    "references",
    "targets",
    "network",
    "mesh",
    "certificates",
    "images",
    "pods",
    "pod-security",
    "renders",
    "prefix",
];

fn check(arguments: &[&str]) -> (Option<i32>, String) {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("check")
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let said = text(output.stdout) + &text(output.stderr);
    (output.status.code(), said)
}

#[test]
fn the_structure_of_this_repository_holds() {
    let (code, said) = check(QUICK);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches('✓').count(), QUICK.len(), "{said}");
}

#[test]
fn the_manifests_of_this_repository_hold() {
    let (code, said) = check(&CONTRACTS);
    assert_eq!(code, Some(0), "{said}");
    let skipped: Vec<&str> = said
        .lines()
        .filter(|it| it.starts_with("SKIPPED"))
        .collect();
    for line in &skipped {
        println!("{line}");
    }
    let held = said.matches('✓').count();
    assert_eq!(held + skipped.len(), CONTRACTS.len(), "{said}");
}

#[test]
fn what_does_not_hold_ends_with_1_and_says_where() {
    let root = tempfile::tempdir().unwrap();
    let file = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        fs::write(path, text).unwrap();
    };
    file("crates/a/src/utils.rs", "use std::io;\n");
    let at = root.path().to_string_lossy();
    let (code, said) = check(&["files", "--root", &at]);
    assert_eq!(code, Some(1), "{said}");
    for part in ["✗ files", "crates/a/src/utils.rs", "names no concept", "→"] {
        assert!(said.contains(part), "{part} should be in {said}");
    }
}

#[test]
fn a_contract_does_not_hold_where_something_does_not_render() {
    let root = tempfile::tempdir().unwrap();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let copied = Command::new("cp")
        .arg("-R")
        .args([repository.join("k8s"), repository.join("kustomize")])
        .arg(root.path())
        .status();
    assert!(copied.unwrap().success());
    fs::remove_file(root.path().join("k8s/server/service.yaml")).unwrap();
    let (code, said) = check(&["pods", "--root", &root.path().to_string_lossy()]);
    if said.starts_with("SKIPPED") {
        println!("{said}");
        return;
    }
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("nothing is known of what does not render"),
        "{said}"
    );
}

#[test]
fn an_unknown_name_ends_with_64() {
    let (code, said) = check(&["no-such-check"]);
    assert_eq!(code, Some(64), "{said}");
    assert!(
        said.contains("pod-security"),
        "it says which there are: {said}"
    );
}

#[test]
fn an_unknown_option_ends_with_64() {
    let (code, said) = check(&["--no-such-option"]);
    assert_eq!(code, Some(64), "{said}");
}

#[test]
fn the_list_names_every_check() {
    let (code, said) = check(&["--list"]);
    assert_eq!(code, Some(0), "{said}");
    for name in QUICK.iter().chain(&CONTRACTS) {
        assert!(
            said.contains(&format!("{name} ")),
            "{name} is missing in {said}"
        );
    }
}
