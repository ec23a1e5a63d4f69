//! What holds in the structure of the code and of the documents: the promises of ARCHITECTURE.md that
//! a compiler does not see. Each is a pure function of the files.
//!
//! | module | what it holds |
//! |---|---|
//! | [`arrows`] | who may depend on whom |
//! | [`documents`] | links lead somewhere, decisions have numbers of their own |
//! | [`mod@files`] | how long files are, what they are called, how they open |
//! | [`invariants`] | what a part of the code does not know |
// template:only
//! | [`words`] | what outlives the template does not name its entity |
// template:end

pub(super) mod arrows;
mod documents;
mod files;
mod invariants;
// template:only
mod words;
// template:end

use std::fs;
use std::path::Path;

use super::error::{Error, reading};
use super::finding::Examination;

/// A file of the repository.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// Its path from the root, with `/`.
    pub(crate) path: String,
    /// Its text; empty for a file that is none.
    pub(crate) text: String,
}

/// A rule about the files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// What it promises.
    pub(crate) promise: &'static str,
    /// Looks at the files.
    pub(crate) examine: fn(&[File]) -> Examination,
}

/// All of them but the arrows, which cargo tells.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "files",
        promise: "files are short, named by their concept, and say what they are",
        examine: files::examine,
    },
    Rule {
        name: "invariants",
        promise: "the domain knows no I/O, only settings read the environment, only main ends the process",
        examine: invariants::examine,
    },
    // template:only
    Rule {
        name: "words",
        promise: "what stands under crates/ does not name the entity",
        examine: words::examine,
    },
    // template:end
    Rule {
        name: "documents",
        promise: "links lead somewhere, ADRs have numbers of their own, the changelog is open",
        examine: documents::examine,
    },
];

/// Folders that hold what nobody has written here.
const FOREIGN: [&str; 3] = ["target", "node_modules", "certs"];

/// All files of a repository, in the order of their paths.
pub(crate) fn files(root: &Path) -> Result<Vec<File>, Error> {
    let mut files = Vec::new();
    collect(root, "", &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<File>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(reading(folder))? {
        let path = entry.map_err(reading(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let shown = format!("{prefix}{name}");
        if path.is_symlink() {
            continue;
        }
        if !path.is_dir() {
            let bytes = fs::read(&path).map_err(reading(&path))?;
            files.push(File {
                path: shown,
                text: String::from_utf8(bytes).unwrap_or_default(),
            });
        } else if !(name.starts_with('.') || is_foreign(&path, &name)) {
            collect(&path, &format!("{shown}/"), files)?;
        }
    }
    Ok(())
}

/// A module may be called `target` as well: what cargo has made bears its mark.
fn is_foreign(path: &Path, name: &str) -> bool {
    FOREIGN.contains(&name) && (name != "target" || path.join("CACHEDIR.TAG").exists())
}

impl File {
    /// Whether its name has this extension.
    fn is(&self, extension: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|it| it == extension)
    }
}

#[cfg(test)]
impl File {
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }
}
