//! The files of the working tree: what git knows or would add, so that a build's output and a tool's
//! download are never taken for sources.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::Error;

/// The paths of all files below `root`, with `/` between their parts, sorted.
///
/// # Errors
///
/// When a folder cannot be read.
pub(crate) fn files(root: &Path) -> Result<Vec<String>, Error> {
    let mut files = match of_git(root) {
        Some(files) => files,
        None => walked(root)?,
    };
    files.retain(|path| root.join(path).is_file());
    files.sort_unstable();
    files.dedup();
    Ok(files)
}

/// The text of a file; nothing where it is none.
///
/// # Errors
///
/// When the file cannot be read.
pub(crate) fn text(root: &Path, path: &str) -> Result<Option<String>, Error> {
    let bytes = fs::read(root.join(path)).map_err(|source| Error::file("read", path, source))?;
    Ok(String::from_utf8(bytes).ok())
}

fn of_git(root: &Path) -> Option<Vec<String>> {
    if !root.join(".git").exists() {
        return None;
    }
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "-z",
        ])
        .output()
        .ok()
        .filter(|it| it.status.success())?;
    let listed = String::from_utf8(output.stdout).ok()?;
    Some(listed.split_terminator('\0').map(str::to_owned).collect())
}

fn walked(root: &Path) -> Result<Vec<String>, Error> {
    let mut files = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(root.join(&folder))
            .map_err(|source| Error::file("read", &folder, source))?;
        for entry in entries {
            let entry = entry.map_err(|source| Error::file("read", &folder, source))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() {
                name.clone()
            } else {
                format!("{folder}/{name}")
            };
            let kind = entry
                .file_type()
                .map_err(|source| Error::file("read", &path, source))?;
            if kind.is_dir() && !is_output(root, &path, &name) {
                folders.push(path);
            } else if kind.is_file() {
                files.push(path);
            }
        }
    }
    Ok(files)
}

/// What is made and not written: cargo marks its folder by a file.
fn is_output(root: &Path, path: &str, name: &str) -> bool {
    name == ".git" || path == ".ci/tools" || root.join(path).join("CACHEDIR.TAG").exists()
}
