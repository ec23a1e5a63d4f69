//! The steps of docs/adding-*.md, done on a service that was made, so that the text stays true.
//!
//! A step is a paragraph that begins with one of these, and the block of code behind it:
//!
//! - "**New file** `PATH`": the block is its content.
//! - "**In** `PATH`, behind `TEXT`": the block follows the one line that has the text in it.
//! - "**In** `PATH`, before `TEXT`": it precedes it.
//! - "**In** `PATH`, instead of `TEXT`": it takes its place.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::make::Workshop;
use super::proof::{self, Outcome, cargo};
use super::tree;

/// The documents whose steps are done.
pub(super) const DOCUMENTS: [&str; 2] = ["docs/adding-a-method.md", "docs/adding-a-resource.md"];

/// What is done with a block.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Create,
    Behind(String),
    Before(String),
    Instead(String),
}

/// One step of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    path: String,
    action: Action,
    block: String,
}

/// Follows a document, and lets the compiler and the tests judge; the project is left as it was.
pub(super) fn prove(workshop: &Workshop, project: &Path, document: &str) -> Result<Outcome, Error> {
    let path = project.join(document);
    let text = fs::read_to_string(&path).map_err(Error::file(&path))?;
    let before = tempfile::tempdir().map_err(Error::file(project))?;
    tree::mirror(project, before.path())?;
    let outcome = follow(workshop, project, document, &text);
    tree::mirror(before.path(), project)?;
    outcome
}

fn follow(
    workshop: &Workshop,
    project: &Path,
    document: &str,
    text: &str,
) -> Result<Outcome, Error> {
    for (path, text) in changed(project, document, text)? {
        fs::write(&path, text).map_err(Error::file(&path))?;
    }
    cargo(workshop, project, &["fmt"])?;
    for arguments in [
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "--deny=warnings",
        ][..],
        proof::TESTS,
        &["xtask", "check", "policy", "files", "documents"],
    ] {
        if let broken @ Outcome::Broken(_) = cargo(workshop, project, arguments)? {
            return Ok(broken);
        }
    }
    Ok(Outcome::Held)
}

/// The files that the steps change, as they are after the last one.
fn changed(project: &Path, document: &str, text: &str) -> Result<BTreeMap<PathBuf, String>, Error> {
    let steps = steps(text);
    let wrong = |step: usize, problem: &str| Error::Step {
        document: document.to_owned(),
        step: step + 1,
        problem: problem.to_owned(),
    };
    if steps.is_empty() {
        return Err(wrong(0, "there is none"));
    }
    let mut files = BTreeMap::new();
    for (index, step) in steps.iter().enumerate() {
        let path = project.join(&step.path);
        let old = match files.remove(&path) {
            Some(text) => text,
            None if !path.exists() && step.action == Action::Create => String::new(),
            None => fs::read_to_string(&path).map_err(Error::file(&path))?,
        };
        let new = step
            .applied(&old)
            .map_err(|problem| wrong(index, problem))?;
        files.insert(path, new);
    }
    Ok(files)
}

/// All steps of a text, in their order.
fn steps(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = text.lines();
    let mut paragraph = String::new();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let block: Vec<&str> = lines
                .by_ref()
                .take_while(|it| !it.starts_with("```"))
                .collect();
            if let Some((path, action)) = instruction(&paragraph) {
                steps.push(Step {
                    path,
                    action,
                    block: block.join("\n") + "\n",
                });
            }
            paragraph.clear();
        } else if line.starts_with("**") {
            line.clone_into(&mut paragraph);
        } else if !line.is_empty() && !paragraph.is_empty() {
            paragraph.push(' ');
            paragraph.push_str(line);
        }
    }
    steps
}

/// What a paragraph tells to do, and where.
fn instruction(paragraph: &str) -> Option<(String, Action)> {
    let (verb, rest) = paragraph.split_once('`')?;
    let (path, rest) = rest.split_once('`')?;
    let (relation, rest) = rest.split_once('`').unwrap_or((rest, ""));
    let anchor = rest.split_once('`').map(|(anchor, _)| anchor.to_owned());
    let action = match (verb.trim(), relation.trim(), anchor) {
        ("**New file**", _, _) => Action::Create,
        ("**In**", ", behind", Some(anchor)) => Action::Behind(anchor),
        ("**In**", ", before", Some(anchor)) => Action::Before(anchor),
        ("**In**", ", instead of", Some(anchor)) => Action::Instead(anchor),
        _ => return None,
    };
    Some((path.to_owned(), action))
}

// === impl Step ===

impl Step {
    /// The file's text after the step.
    fn applied(&self, old: &str) -> Result<String, &'static str> {
        let anchor = match &self.action {
            Action::Create if old.is_empty() => return Ok(self.block.clone()),
            Action::Create => return Err("the file is there already"),
            Action::Behind(anchor) | Action::Before(anchor) | Action::Instead(anchor) => anchor,
        };
        let mut found = old.match_indices(anchor.as_str());
        let (at, _) = found.next().ok_or("the text is not there")?;
        if found.next().is_some() {
            return Err("the text is there more than once");
        }
        let start = old[..at].rfind('\n').map_or(0, |it| it + 1);
        let end = old[at..].find('\n').map_or(old.len(), |it| at + it + 1);
        let (head, tail) = match self.action {
            Action::Before(_) => (&old[..start], &old[start..]),
            Action::Instead(_) => (&old[..start], &old[end..]),
            _ => (&old[..end], &old[end..]),
        };
        Ok([head, &self.block, tail].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_as_they_are_written() {
        let text = "Text.\n\n**In** `a.rs`, behind\n`fn a` and so on:\n\n```rust\nfn b() {}\n```\n\n\
                    ```sh\ncargo test\n```\n\n**New file** `c.rs`:\n\n```rust\n//! C.\n```\n";
        let steps = steps(text);
        assert_eq!(
            steps.len(),
            2,
            "a block without an instruction is for the reader: {steps:?}"
        );
        assert_eq!(steps[0].action, Action::Behind("fn a".to_owned()));
        assert_eq!(
            steps[0].applied("fn a() {}\nfn z() {}\n"),
            Ok("fn a() {}\nfn b() {}\nfn z() {}\n".to_owned())
        );
        assert_eq!(steps[1].applied(""), Ok("//! C.\n".to_owned()));
    }

    #[test]
    fn a_place_that_is_not_there_or_not_the_only_one_is_no_place() {
        let step = Step {
            path: String::new(),
            action: Action::Instead("b".to_owned()),
            block: "x\n".to_owned(),
        };
        assert_eq!(step.applied("a\nb\nc\n"), Ok("a\nx\nc\n".to_owned()));
        assert!(step.applied("a\n").is_err());
        assert!(step.applied("b\nb\n").is_err());
    }

    #[test]
    fn every_step_finds_its_place_in_this_repository() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for document in DOCUMENTS {
            let text = fs::read_to_string(root.join(document)).unwrap();
            let files = changed(&root, document, &text).unwrap();
            assert!(files.len() > 10, "{document} changes more: {files:?}");
        }
    }
}
