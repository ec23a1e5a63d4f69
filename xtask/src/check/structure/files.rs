//! How long files are, what they are called and how they open: a reader finds a concept by its file.

use super::File;
use crate::check::finding::{Examination, Finding};

/// More lines hold more than one concept.
const LONGEST: usize = 400;

/// More lines do more than put parts together.
const LONGEST_MAIN: usize = 40;

/// Names that say nothing, because anything could be in it.
const NAMELESS: [&str; 9] = [
    "common", "helper", "helpers", "manager", "misc", "mod", "shared", "util", "utils",
];

pub(super) fn examine(files: &[File]) -> Examination {
    let mut examination = Examination::default();
    for file in files {
        let Some((folder, name)) = file.path.rsplit_once('/') else {
            continue;
        };
        let Some(stem) = name.strip_suffix(".rs") else {
            continue;
        };
        examination.subject();
        let mut report = |problem: String, cure: &str| {
            let finding = Finding::in_file(file.path.as_str(), problem, cure);
            examination.findings.push(finding);
        };
        if NAMELESS.contains(&stem) {
            let cure = "name the file by what it holds; foo.rs beside foo/ rather than foo/mod.rs";
            report(format!("{stem} names no concept"), cure);
        }
        let is_main = stem == "main" && folder.ends_with("src");
        let lines = file.text.lines().count();
        let longest = if is_main { LONGEST_MAIN } else { LONGEST };
        if lines > longest {
            let cure = "cut it along its concepts: types, pure core, I/O";
            report(format!("{lines} lines, expected at most {longest}"), cure);
        }
        // What `include!` brings is a part of another module.
        let is_generated = folder.contains("/gen");
        if !is_generated && !opens_with_its_purpose(&file.text) {
            report(
                "does not open with //!".to_owned(),
                "one sentence saying what it is, then why it exists",
            );
        }
    }
    examination
}

fn opens_with_its_purpose(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with("#!["));
    first.is_some_and(|line| line.starts_with("//!"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let findings = examine(&[File::new(path, text)]).findings;
        findings.into_iter().map(|it| it.problem).collect()
    }

    #[test]
    fn a_file_that_says_what_it_is_holds() {
        let none: [&str; 0] = [];
        assert_eq!(found("a/src/store.rs", "//! The store.\n"), none);
        assert_eq!(
            found("a/src/lib.rs", "#![no_std]\n\n//! The store.\n"),
            none
        );
        assert_eq!(found("a/README.md", ""), none);
    }

    #[test]
    fn each_rule_can_be_broken() {
        let long = "//! Long.\n".repeat(401);
        assert_eq!(
            found("a/src/b.rs", &long),
            ["401 lines, expected at most 400"]
        );
        let main = "//! Long.\n".repeat(41);
        assert_eq!(
            found("a/src/main.rs", &main),
            ["41 lines, expected at most 40"]
        );
        assert_eq!(
            found("a/src/utils.rs", "//! All sorts."),
            ["utils names no concept"]
        );
        assert_eq!(
            found("a/src/b.rs", "use std::io;"),
            ["does not open with //!"]
        );
    }
}
