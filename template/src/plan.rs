//! All that renaming changes, worked out before anything is written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::error::Error;
use crate::form::{self, HOLDER};
use crate::{cut, part, repository, section, tree, words};

/// What is written, moved and removed; names and sections are still characters in it.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The texts that change, by their paths as they are now.
    pub(crate) texts: BTreeMap<String, String>,
    /// What is moved, in this order: the path as it is now, and the last part of the new one.
    pub(crate) moves: Vec<(String, String)>,
}

/// What comes along as it is: it does not know the entity.
const UNCHANGED: &str = "crates/";

// === impl Plan ===

impl Plan {
    /// Reads the tree below `root`.
    ///
    /// # Errors
    ///
    /// When it is not this repository, a file cannot be read, or a mark is wrong.
    pub(crate) fn of(root: &Path) -> Result<Self, Error> {
        if !root.join("user-api").is_dir() {
            return Err(Error::NotTheTemplate(root.display().to_string()));
        }
        let mut plan = Self::default();
        let mut renamed = BTreeSet::new();
        for path in tree::files(root)? {
            if path.starts_with(UNCHANGED) || is_of_the_template(&path) {
                continue;
            }
            collect_moves(&path, &mut renamed);
            let source = part::FRESH
                .iter()
                .find(|(fresh, _)| *fresh == path)
                .map_or(path.as_str(), |(_, from)| *from);
            let Some(text) = tree::text(root, source)? else {
                continue;
            };
            if !form::is_clear(&text) {
                return Err(Error::Reserved(source.to_owned()));
            }
            let folded = section::folded(&path, &cut::opened(&path, &text)?)?;
            let mut changed = words::tokenized(&path, &repository::marked(&folded));
            if path == "LICENSE" {
                changed = changed.replace("[yyyy] [name of copyright owner]", &HOLDER.to_string());
            }
            if source != path || changed != text {
                plan.texts.insert(path, changed);
            }
        }
        // What stands deeper is moved first, so that the paths before it are still the old ones.
        plan.moves = renamed.into_iter().collect();
        plan.moves
            .sort_by_key(|(path, _)| (usize::MAX - path.matches('/').count(), path.clone()));
        Ok(plan)
    }
}

fn is_of_the_template(path: &str) -> bool {
    part::TEMPLATE.iter().any(|it| {
        path.strip_prefix(it)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn collect_moves(path: &str, renamed: &mut BTreeSet<(String, String)>) {
    let tokens = words::tokenized(path, path);
    let mut end = 0;
    for (old, new) in path.split('/').zip(tokens.split('/')) {
        end += old.len();
        if old != new {
            renamed.insert((path[..end].to_owned(), new.to_owned()));
        }
        end += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::{Form, Shape};

    #[test]
    fn folders_are_moved_after_what_stands_in_them() {
        let mut renamed = BTreeSet::new();
        collect_moves("user-api/proto/user/v1/user.proto", &mut renamed);
        let snake = Form {
            shape: Shape::Snake,
            is_plural: false,
        }
        .token();
        let kebab = Form {
            shape: Shape::Kebab,
            is_plural: false,
        }
        .token();
        let expected = [
            ("user-api".to_owned(), format!("{kebab}-api")),
            ("user-api/proto/user".to_owned(), snake.to_string()),
            (
                "user-api/proto/user/v1/user.proto".to_owned(),
                format!("{snake}.proto"),
            ),
        ];
        assert_eq!(renamed.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn only_what_is_the_templates_own_is_left_to_it() {
        assert!(is_of_the_template("template/src/main.rs"));
        assert!(is_of_the_template("xtask/src/template.rs"));
        assert!(!is_of_the_template("xtask/src/templates.rs"));
    }
}
