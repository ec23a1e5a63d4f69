//! What is left of the first name in a tree that was renamed.

use std::path::Path;

use crate::error::Error;
use crate::{keep, tree};

/// Every line outside of `crates/`, and every path, that still has the first name in it, in whatever case.
///
/// # Errors
///
/// When a file cannot be read.
pub(crate) fn find(root: &Path) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for path in tree::files(root)? {
        if path.starts_with("crates/") || path.starts_with("target/") {
            continue;
        }
        if names(&path) {
            found.push(format!("{path}: the path"));
        }
        let text = tree::text(root, &path)?.unwrap_or_default();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| names(line)) {
            found.push(format!("{path}:{}: {}", index + 1, line.trim()));
        }
    }
    Ok(found)
}

fn names(text: &str) -> bool {
    keep::without_terms(text).to_lowercase().contains("user")
}
