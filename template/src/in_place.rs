//! Renames the tree where it stands.

use std::fs;
use std::path::Path;

use crate::error::Error;
use crate::names::Names;
use crate::part::{self, Part};
use crate::plan::Plan;
use crate::section;

/// Writes the plan out under these names, without the parts that are left out.
///
/// # Errors
///
/// When a file cannot be written, moved or removed.
pub(crate) fn apply(
    root: &Path,
    plan: &Plan,
    names: &Names,
    left_out: &[&Part],
) -> Result<(), Error> {
    for (path, text) in &plan.texts {
        let text = names.render(&section::kept(text, left_out));
        fs::write(root.join(path), text).map_err(|source| Error::file("write", path, source))?;
    }
    for path in left_out
        .iter()
        .flat_map(|it| it.paths)
        .chain(part::TEMPLATE)
    {
        remove(&root.join(path)).map_err(|source| Error::file("remove", path, source))?;
    }
    for (path, name) in &plan.moves {
        let from = root.join(path);
        if from.exists() {
            fs::rename(&from, from.with_file_name(names.render(name)))
                .map_err(|source| Error::file("rename", path, source))?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        fs::remove_dir_all(path)
    } else if path.exists() {
        fs::remove_file(path)
    } else {
        Ok(())
    }
}
