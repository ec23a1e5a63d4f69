//! The parts that a service may leave out, each with all that goes with it.
//!
//! A file of `part/` for each. What a question in `cargo-generate.toml` asks for has the same name here.

mod istio;
mod page;
mod tilt;
mod web;

use crate::cut::Cut;

/// A part that may be left out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// The name of the answer in `cargo-generate.toml`, and behind `--without`.
    pub(crate) name: &'static str,
    /// What it is, for `--help`.
    pub(crate) what: &'static str,
    /// The part without which it has no use.
    pub(crate) needs: Option<&'static str>,
    /// The files and folders that are its own.
    pub(crate) paths: &'static [&'static str],
    /// Its lines in other files.
    pub(crate) cuts: &'static [Cut],
}

/// What belongs to the template and to no service.
pub(crate) const TEMPLATE: &[&str] = &[
    ".ci/template",
    ".gitattributes",
    "cargo-generate.toml",
    "docs/adr/0016-a-bundle-for-the-template.md",
    "template",
    "xtask/src/check/structure/words.rs",
    "xtask/src/template",
    "xtask/src/template.rs",
    "xtask/tests/it/template.rs",
];

/// What a service begins anew: the file, and what it begins with.
pub(crate) const FRESH: &[(&str, &str)] = &[
    ("CHANGELOG.md", "template/fresh/CHANGELOG.md.in"),
    ("README.md", "template/fresh/README.md.in"),
];

/// All parts, in the order in which they are asked for.
pub(crate) const PARTS: &[Part] = &[istio::PART, web::PART, page::PART, tilt::PART];

/// The part of that name.
pub(crate) fn named(name: &str) -> Option<&'static Part> {
    PARTS.iter().find(|it| it.name == name)
}

/// The parts of these names, and those that need one of them.
///
/// # Errors
///
/// A name that no part has.
pub(crate) fn left_out<'a>(names: &[&'a str]) -> Result<Vec<&'static Part>, &'a str> {
    let chosen = names
        .iter()
        .map(|name| named(name).ok_or(*name))
        .collect::<Result<Vec<_>, _>>()?;
    let is_chosen = |name: &str| chosen.iter().any(|it| it.name == name);
    Ok(PARTS
        .iter()
        .filter(|it| is_chosen(it.name) || it.needs.is_some_and(is_chosen))
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test stops at what it does not expect"
    )]

    use super::*;

    #[test]
    fn what_needs_a_part_goes_with_it() {
        let names: Vec<_> = left_out(&["web"])
            .unwrap()
            .iter()
            .map(|it| it.name)
            .collect();
        assert_eq!(names, ["web", "page"]);
    }

    #[test]
    fn a_part_that_there_is_not_is_named() {
        assert_eq!(left_out(&["istio", "nothing"]), Err("nothing"));
    }
}
