//! Renames the tree where it stands.

use std::fs;
use std::path::Path;

use crate::error::Error;
use crate::names::Names;
use crate::part::{self, Part};
use crate::plan::Plan;
use crate::{place, section};

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
        let text = sorted_imports(path, names.render(&section::kept(text, left_out)));
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

/// protobuf's formatter wants imports in the order of their names, which may be another one now; rustfmt
/// sees to Rust's.
fn sorted_imports(path: &str, text: String) -> String {
    let is_import = |line: &&str| line.starts_with("import \"");
    if place::extension(path) != "proto" {
        return text;
    }
    let mut sorted: Vec<&str> = text.lines().filter(is_import).collect();
    sorted.sort_unstable();
    let mut sorted = sorted.into_iter();
    let lines = text.split('\n').map(|line| {
        if is_import(&line) {
            sorted.next().unwrap_or(line)
        } else {
            line
        }
    });
    lines.collect::<Vec<_>>().join("\n")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_stand_in_the_order_of_their_new_names() {
        let text =
            "package a;\n\nimport \"google/b.proto\";\nimport \"call/a.proto\";\n\nmessage A {}\n";
        let sorted =
            "package a;\n\nimport \"call/a.proto\";\nimport \"google/b.proto\";\n\nmessage A {}\n";
        assert_eq!(sorted_imports("a.proto", text.to_owned()), sorted);
        assert_eq!(sorted_imports("a.js", text.to_owned()), text);
    }
}
