//! Documents that can be followed: links lead to files that are there, decisions have numbers of their
//! own, and the changelog has a place for what comes next.

use std::collections::BTreeMap;

use super::File;
use crate::check::finding::{Examination, Finding};

const DECISIONS: &str = "docs/adr/";
const CHANGELOG: &str = "CHANGELOG.md";

pub(super) fn examine(files: &[File]) -> Examination {
    let mut examination = Examination::default();
    for file in files.iter().filter(|it| it.is("md")) {
        links(&mut examination, files, file);
    }
    decisions(&mut examination, files);
    changelog(&mut examination, files);
    examination
}

fn links(examination: &mut Examination, files: &[File], file: &File) {
    for (index, line) in prose(&file.text) {
        for target in targets(line) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            examination.subject();
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = resolve(&file.path, path);
            let found = files.iter().find(|it| it.path == path);
            let is_folder = || {
                files
                    .iter()
                    .any(|it| it.path.starts_with(&format!("{path}/")))
            };
            let problem = match found {
                Some(found) if !anchor.is_empty() && !has_anchor(found, anchor) => {
                    format!("{} has no heading #{anchor}", found.path)
                }
                None if !is_folder() => format!("{target} leads nowhere"),
                _ => continue,
            };
            let place = format!("{}:{index}", file.path);
            examination
                .findings
                .push(Finding::in_file(place, problem, "mend the link"));
        }
    }
}

/// The lines outside of code blocks, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        (!is_code).then_some((index + 1, line))
    })
}

/// What a line's `[text](target)` lead to.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        let target = rest.split(')').next()?;
        // A title may follow.
        target.split_whitespace().next()
    })
}

/// A path from the root, for one that is relative to a file. Nothing stands for the file itself.
fn resolve(from: &str, path: &str) -> String {
    if path.is_empty() {
        return from.to_owned();
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether a heading has the anchor that GitHub gives it. Of other files than Markdown nothing is known.
fn has_anchor(file: &File, anchor: &str) -> bool {
    !file.is("md")
        || prose(&file.text)
            .filter(|(_, line)| line.starts_with('#'))
            .any(|(_, line)| slug(line.trim_start_matches('#').trim()) == anchor)
}

fn slug(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'))
        .map(|it| if it == ' ' { '-' } else { it })
        .collect()
}

fn decisions(examination: &mut Examination, files: &[File]) {
    let mut numbers: BTreeMap<usize, &str> = BTreeMap::new();
    for file in files {
        let Some(name) = file.path.strip_prefix(DECISIONS) else {
            continue;
        };
        let number = name
            .split_once('-')
            .and_then(|(number, _)| number.parse().ok());
        let Some(number) = number.filter(|_| file.is("md")) else {
            continue;
        };
        examination.subject();
        let mut report = |problem: String| {
            let finding = Finding::in_file(file.path.as_str(), problem, "give it the next number");
            examination.findings.push(finding);
        };
        if let Some(other) = numbers.insert(number, &file.path) {
            report(format!("has the number of {other}"));
        }
        let title = file.text.lines().next().unwrap_or_default();
        if !title.starts_with(&format!("# {number}. ")) {
            report(format!("its title does not begin with its number: {title}"));
        }
    }
}

fn changelog(examination: &mut Examination, files: &[File]) {
    examination.subject();
    let text = files
        .iter()
        .find(|it| it.path == CHANGELOG)
        .map(|it| &it.text);
    let first = text.and_then(|it| it.lines().find(|line| line.starts_with("## ")));
    if first != Some("## [Unreleased]") {
        let problem = "its first section is not ## [Unreleased]";
        let cure = "what is not released yet stands there (Keep a Changelog)";
        examination
            .findings
            .push(Finding::in_file(CHANGELOG, problem, cure));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = "# Changelog\n\n## [Unreleased]\n";

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<File> = files
            .iter()
            .map(|(path, text)| File::new(path, text))
            .collect();
        let findings = examine(&files).findings;
        findings.into_iter().map(|it| it.problem).collect()
    }

    #[test]
    fn links_that_lead_somewhere_hold() {
        let none: [&str; 0] = [];
        let text = "[a](../b.md#two-words) [c](c) [d](https://example.com) `[x](y)`\n```\n[z](z)\n```\n# Top";
        let text = text.replace("`[x](y)`", "[self](#top)");
        let files = [
            ("docs/a.md", text.as_str()),
            ("b.md", "# Two words!"),
            ("docs/c/d.rs", ""),
            (CHANGELOG, OPEN),
        ];
        assert_eq!(found(&files), none);
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let files = [("a.md", "[a](b.md)\n[b](#no)"), (CHANGELOG, OPEN)];
        assert_eq!(
            found(&files),
            ["b.md leads nowhere", "a.md has no heading #no"]
        );
    }

    #[test]
    fn a_number_stands_for_one_decision() {
        let files = [
            ("docs/adr/0001-a.md", "# 1. A"),
            ("docs/adr/0001-b.md", "# 1. B"),
            ("docs/adr/0003-c.md", "# 4. C"),
            (CHANGELOG, OPEN),
        ];
        assert_eq!(
            found(&files),
            [
                "has the number of docs/adr/0001-a.md",
                "its title does not begin with its number: # 4. C",
            ]
        );
    }

    #[test]
    fn a_closed_changelog_is_found() {
        let closed = [(CHANGELOG, "## [1.0.0]")];
        assert_eq!(found(&closed), ["its first section is not ## [Unreleased]"]);
    }
}
