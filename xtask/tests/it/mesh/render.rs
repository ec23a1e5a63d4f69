//! What kustomize makes of the manifests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// The root of the repository.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The text that an overlay with components is rendered to, and with a `namePrefix` if one is given;
/// `None` without a program that renders.
pub(super) fn text(overlay: &str, components: &[&str], prefix: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    for name in ["k8s", "kustomize"] {
        copy(&root().join(name), &folder.path().join(name));
    }
    // As an operator adds a component: by a line in the overlay.
    let path = folder
        .path()
        .join(format!("kustomize/overlays/{overlay}/kustomization.yaml"));
    let mut kustomization: Value =
        serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let listed = kustomization
        .as_object_mut()
        .unwrap()
        .entry("components")
        .or_insert_with(|| json!([]));
    let added = components
        .iter()
        .map(|it| json!(format!("../../components/{it}")));
    listed.as_array_mut().unwrap().extend(added);
    if !prefix.is_empty() {
        kustomization["namePrefix"] = json!(prefix);
    }
    // JSON is YAML.
    fs::write(&path, kustomization.to_string()).unwrap();
    kustomize(path.parent().unwrap())
}

/// The objects of an overlay with components.
pub(super) fn objects(overlay: &str, components: &[&str], prefix: &str) -> Option<Vec<Value>> {
    let text = text(overlay, components, prefix)?;
    Some(serde_saphyr::from_multiple(&text).unwrap())
}

fn kustomize(folder: &Path) -> Option<String> {
    for program in [&["kubectl", "kustomize"][..], &["kustomize", "build"]] {
        let output = Command::new(program[0])
            .args(&program[1..])
            .arg(folder)
            .output();
        match output {
            Ok(output) => {
                let error = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{}: {error}", folder.display());
                return Some(String::from_utf8(output.stdout).unwrap());
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => panic!("{} cannot be started: {error}", program[0]),
        }
    }
    super::skipped("neither kubectl nor kustomize is on the PATH");
    None
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}
