//! The features of the dependencies: the README's two commands build each of them once.

use std::collections::BTreeSet;
use std::process::Command;

/// Each dependency with its features, as cargo would build them.
fn tree(arguments: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--prefix=none"])
        .args(["--format={p} [{f}]"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| line.trim_end_matches(" (*)"));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_demo_builds_each_dependency_as_the_tests_do() {
    // Without what runs while building: whether that shares the features of the rest depends for cargo on the
    // order of the members' names.
    let demo = tree(&["--package=xtask", "--edges=normal"]);
    let tests = tree(&["--workspace", "--edges=normal,dev"]);
    let twice: Vec<_> = demo.difference(&tests).collect();
    assert!(
        twice.is_empty(),
        "xtask/Cargo.toml must ask for the features that the tests of other crates add to {twice:?}"
    );
}

#[test]
fn the_tests_cover_every_feature_of_the_crates() {
    let tests = tree(&["--workspace", "--edges=normal,build,dev"]);
    let all = tree(&["--workspace", "--edges=normal,build,dev", "--all-features"]);
    let missing: Vec<_> = all.difference(&tests).collect();
    assert!(
        missing.is_empty(),
        "xtask/Cargo.toml must ask for the features that are missing in {missing:?}"
    );
}
