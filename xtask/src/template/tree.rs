//! The files of a folder: compared with another folder's, and copied where they differ, so that cargo
//! compiles again only what has changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::Error;

/// The content of every file, by its path in the folder.
pub(super) fn read(root: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>, Error> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(Error::file(&folder))? {
            let path = entry.map_err(Error::file(&folder))?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let content = fs::read(&path).map_err(Error::file(&path))?;
                files.insert(path.strip_prefix(root).unwrap_or(&path).to_owned(), content);
            }
        }
    }
    Ok(files)
}

/// The paths that only one of the two has, or that differ.
pub(super) fn differences(left: &Path, right: &Path) -> Result<Vec<PathBuf>, Error> {
    let (left, right) = (read(left)?, read(right)?);
    let paths = left
        .keys()
        .chain(right.keys().filter(|it| !left.contains_key(*it)));
    Ok(paths
        .filter(|it| left.get(*it) != right.get(*it))
        .cloned()
        .collect())
}

/// Makes the folder `to` have the files of `from` and no others; what is the same stays untouched.
pub(super) fn mirror(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::file(to))?;
    let (wanted, present) = (read(from)?, read(to)?);
    for path in present.keys().filter(|it| !wanted.contains_key(*it)) {
        let path = to.join(path);
        fs::remove_file(&path).map_err(Error::file(&path))?;
        // A folder that is empty now would be a crate without a manifest.
        let mut folder = path.parent();
        while let Some(empty) = folder.filter(|it| *it != to && fs::remove_dir(it).is_ok()) {
            folder = empty.parent();
        }
    }
    for path in wanted
        .keys()
        .filter(|it| present.get(*it) != wanted.get(*it))
    {
        let target = to.join(path);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(Error::file(folder))?;
        }
        // With its permissions: scripts stay executable.
        fs::copy(from.join(path), &target).map_err(Error::file(&target))?;
    }
    Ok(())
}

/// Empties a folder, or makes it.
pub(super) fn clear(folder: &Path) -> Result<(), Error> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(Error::file(folder))?;
    }
    fs::create_dir_all(folder).map_err(Error::file(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn a_mirror_differs_in_nothing() {
        let from = folder(&[("a/b.rs", "1"), ("c.rs", "2")]);
        let to = folder(&[("a/b.rs", "old"), ("d/e/f.rs", "gone")]);
        let different = differences(from.path(), to.path()).unwrap();
        assert_eq!(different, ["a/b.rs", "c.rs", "d/e/f.rs"].map(PathBuf::from));
        mirror(from.path(), to.path()).unwrap();
        assert!(differences(from.path(), to.path()).unwrap().is_empty());
        assert!(!to.path().join("d").exists(), "no empty folder is left");
    }

    #[test]
    fn what_is_the_same_stays_as_old_as_it_is() {
        let (from, to) = (folder(&[("a.rs", "1")]), folder(&[("a.rs", "1")]));
        let time = |it: &tempfile::TempDir| {
            fs::metadata(it.path().join("a.rs"))
                .unwrap()
                .modified()
                .unwrap()
        };
        let before = time(&to);
        fs::write(from.path().join("a.rs"), "1").unwrap();
        mirror(from.path(), to.path()).unwrap();
        assert_eq!(time(&to), before);
    }
}
