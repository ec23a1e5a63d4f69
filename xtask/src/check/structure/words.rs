//! What stands under `crates/` outlives the template, so it must not know what the service is about:
//! the name of the entity does not stand in it, not even in a comment.

use super::File;
use crate::check::finding::{Examination, Finding};
use crate::check::program::SERVER;

/// True terms that hold the word and are not about the entity.
const TERMS: [&str; 7] = [
    "user-agent",
    "user_agent",
    "user_defined",
    "user:password",
    "userinfo",
    "username",
    "runasuser",
];

pub(super) fn examine(files: &[File]) -> Examination {
    let mut examination = Examination::default();
    let entity = SERVER.strip_suffix("-server").unwrap_or(SERVER);
    for file in files.iter().filter(|it| it.path.starts_with("crates/")) {
        examination.subject();
        for (index, line) in file.text.lines().enumerate() {
            if names(line, entity) {
                let place = format!("{}:{}", file.path, index + 1);
                let problem = format!("names {entity}: {}", line.trim());
                let cure = "say it without the entity (caller, operator, reader), or move the code to \
                            the service's own crates";
                examination
                    .findings
                    .push(Finding::in_file(place, problem, cure));
            }
        }
    }
    examination
}

/// Whether a line names the entity: as a word, in its plural, or as a part of a name such as
/// `user_id` and `UserId`.
fn names(line: &str, entity: &str) -> bool {
    let mut line = line.to_lowercase();
    for term in TERMS {
        line = line.replace(term, "");
    }
    let bytes = line.as_bytes();
    line.match_indices(entity).any(|(start, _)| {
        let before = start.checked_sub(1).map(|it| bytes[it]);
        let rest = &line[start + entity.len()..];
        let rest = rest.strip_prefix('s').unwrap_or(rest);
        let is_start = !before.is_some_and(|it| it.is_ascii_alphanumeric());
        let is_end = !rest.starts_with(|it: char| it.is_ascii_alphanumeric());
        is_start && is_end
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entity_is_found_in_every_form() {
        for line in ["// a user", "user_id", "users:", "user-api = 1", "\"User\""] {
            assert!(names(line, "user"), "{line}");
        }
    }

    #[test]
    fn true_terms_are_not_about_the_entity() {
        for line in [
            "user-agent",
            "postgres://USER:PASSWORD@HOST",
            "superuser",
            "SignalKind::user_defined1()",
            "runAsUser: 1",
        ] {
            assert!(!names(line, "user"), "{line}");
        }
    }

    #[test]
    fn only_the_crates_are_looked_at() {
        let files = [
            File::new("crates/a/src/lib.rs", "//! For each user.\n"),
            File::new("user-server/src/lib.rs", "//! For each user.\n"),
        ];
        let examination = examine(&files);
        assert_eq!(examination.subjects, 1);
        assert_eq!(examination.findings[0].place, "crates/a/src/lib.rs:1");
    }
}
