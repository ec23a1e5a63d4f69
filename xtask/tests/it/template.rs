//! The template's bundle says what the sources say; a file that is forgotten would be generated with its
//! old names.

use std::path::Path;
use std::process::Command;

#[test]
fn the_bundle_of_the_template_is_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(env!("CARGO"))
        .args([
            "run",
            "--quiet",
            "--offline",
            "--manifest-path=template/Cargo.toml",
            "--",
            ".",
            "--check",
        ])
        .current_dir(&root)
        .env(
            "CARGO_TARGET_DIR",
            concat!(env!("CARGO_TARGET_TMPDIR"), "/renamer"),
        )
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
