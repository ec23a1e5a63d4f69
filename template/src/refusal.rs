//! Which names cannot work, why, and what would: said before anything is written.
//!
//! A name is refused only where the result would not compile, would not be accepted by Kubernetes, or
//! would mean two things at once. `cargo xtask template` builds awkward names that are let through.

use std::fmt;

use crate::names::capitalized;

/// The longest Kubernetes name that has the entity in it is `NAME-server-headless`, and Knative puts
/// `-00001-` and more behind `NAME-server-knative`; a DNS label has 63 characters (RFC 1123).
pub(crate) const LONGEST: usize = 40;

/// Words that Rust keeps for itself, in the edition of this repository.
pub(crate) const KEYWORDS: [&str; 53] = [
    "abstract",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "macro-rules",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "raw",
    "ref",
    "return",
    "self",
    "static",
    "struct",
    "super",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "union",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
];

/// Words that stand for something else in the code, in the contract or in the cluster.
pub(crate) const TAKEN: &[(&str, &str)] = &[
    ("api", PART),
    ("client", PART),
    ("server", PART),
    (
        "health",
        "`health` is how gRPC and Kubernetes ask whether the service is well",
    ),
    (
        "test",
        "`test` is an attribute of Rust and a folder of cargo",
    ),
    ("service", CODE),
    ("box", PRELUDE),
    ("clone", PRELUDE),
    ("copy", PRELUDE),
    ("default", PRELUDE),
    ("iterator", PRELUDE),
    ("option", PRELUDE),
    ("result", PRELUDE),
    ("send", PRELUDE),
    ("string", PRELUDE),
    ("sync", PRELUDE),
    ("vec", PRELUDE),
    ("age", FIELD),
    ("email", FIELD),
    ("etag", FIELD),
    ("id", FIELD),
    ("key", CODE),
    ("tag", FIELD),
    ("value", "its plural is a keyword of SQL"),
    ("cache", CODE),
    ("change", CODE),
    ("draft", CODE),
    ("error", CODE),
    ("page", CODE),
    ("position", CODE),
    ("query", CODE),
    ("request", CODE),
    ("response", CODE),
    ("session", CODE),
    ("status", CODE),
    ("store", CODE),
    ("update", CODE),
];

const PART: &str = "it is one of the service's own three crates";
const PRELUDE: &str = "Rust's standard library has a type of that name in every file";
const FIELD: &str = "a message of the contract has a field of that name beside the entity";
const CODE: &str = "the code has a type of that name beside the entity's own";

/// Why an answer was refused. Its text ends with an example that works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A name that cannot be the entity's.
    Name {
        /// Which.
        name: String,
        /// Why.
        reason: String,
    },
    /// Images cannot be pushed there.
    Repository(String),
}

/// Looks at a singular and its plural.
///
/// # Errors
///
/// The first rule that one of the two breaks.
pub(crate) fn examine(singular: &str, plural: &str) -> Result<(), Refusal> {
    if plural == singular {
        let reason =
            "its plural is the same word, and the code needs to tell one from several".to_owned();
        return Err(Refusal::name(singular, reason));
    }
    for name in [singular, plural] {
        if let Some(reason) = reason(name) {
            return Err(Refusal::name(name, reason));
        }
    }
    Ok(())
}

fn reason(name: &str) -> Option<String> {
    let words: Vec<&str> = name.split('-').collect();
    let is_word = |word: &&str| {
        word.starts_with(|it: char| it.is_ascii_lowercase())
            && word
                .chars()
                .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit())
    };
    if !words.iter().all(is_word) {
        return Some(
            "a name is made of words in lower case that begin with a letter, with single hyphens between them"
                .to_owned(),
        );
    }
    if name.len() > LONGEST {
        return Some(format!(
            "it has {} characters, and with what stands behind it (-server-headless, for one) a DNS label \
             would have more than its 63; {LONGEST} are possible",
            name.len()
        ));
    }
    if KEYWORDS.contains(&name) {
        return Some("it is a keyword of Rust".to_owned());
    }
    if let Some((_, reason)) = TAKEN.iter().find(|(word, _)| *word == name) {
        return Some((*reason).to_owned());
    }
    if !survives_the_generator(name) {
        return Some(
            "protobuf's code generator, which makes snake_case of CamelCase, would join two of its words, \
             since one of them has a single letter"
                .to_owned(),
        );
    }
    None
}

/// Whether the generator finds the same words again in `GetFooBarRequest` that we put there.
fn survives_the_generator(name: &str) -> bool {
    let camel: String = name.split('-').map(capitalized).collect();
    split(&format!("Get{camel}Request")) == format!("get_{}_request", name.replace('-', "_"))
}

/// `CamelCase` to snake case as heck does it, which prost and tonic use: a word ends before a capital that
/// follows a small letter, and before the last capital of several; digits belong to what they follow.
fn split(camel: &str) -> String {
    let mut snake = String::new();
    let mut is_capital = None;
    let mut chars = camel.chars().peekable();
    while let Some(current) = chars.next() {
        let next = chars.peek().copied().unwrap_or_default();
        let begins = is_capital == Some(true) && current.is_uppercase() && next.is_lowercase();
        if begins {
            snake.push('_');
        }
        snake.push(current.to_ascii_lowercase());
        if current.is_alphabetic() {
            is_capital = (!begins).then_some(current.is_uppercase());
        }
        let is_small =
            current.is_lowercase() || (is_capital == Some(false) && !current.is_alphabetic());
        if is_small && next.is_uppercase() {
            snake.push('_');
            is_capital = None;
        }
    }
    snake
}

// === impl Refusal ===

impl Refusal {
    fn name(name: &str, reason: String) -> Self {
        Self::Name {
            name: name.to_owned(),
            reason,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name, reason } => write!(
                formatter,
                "`{name}` cannot be the name of the entity: {reason}. For example: order, line-item"
            ),
            Self::Repository(text) => write!(
                formatter,
                "`{text}` is no repository for images: expected path components in lower case, the first of \
                 which may have a port. For example: ghcr.io/example"
            ),
        }
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(singular: &str) -> Option<String> {
        examine(singular, &format!("{singular}s"))
            .err()
            .map(|it| it.to_string())
    }

    #[test]
    fn a_refusal_says_why_and_what_would_work() {
        let text = refused("type").unwrap_or_default();
        assert_eq!(
            text,
            "`type` cannot be the name of the entity: it is a keyword of Rust. For example: order, line-item"
        );
    }

    #[test]
    fn what_is_no_name_in_kebab_case_is_refused() {
        for name in [
            "",
            "Order",
            "3d-model",
            "line_item",
            "line--item",
            "-item",
            "item-",
            "größe",
            "a b",
            "line-3d",
        ] {
            assert!(
                refused(name).is_some_and(|it| it.contains("lower case")),
                "{name}"
            );
        }
    }

    #[test]
    fn a_name_must_leave_room_in_a_dns_label() {
        assert_eq!(
            refused(&"a".repeat(LONGEST - 1)),
            None,
            "with its plural it has {LONGEST} characters"
        );
        assert!(refused(&"a".repeat(LONGEST + 1)).is_some_and(|it| it.contains("63")));
    }

    #[test]
    fn a_keyword_is_refused_as_a_plural_too() {
        assert!(examine("a-thing", "self").is_err());
        assert!(examine("series", "series").is_err());
    }

    #[test]
    fn names_that_the_generator_would_join_are_refused() {
        for name in ["a-b", "s3-x", "x-y-z"] {
            assert!(refused(name).is_some(), "{name}");
        }
        for name in [
            "x-ray",
            "s3-object",
            "plan-b",
            "order",
            "b",
            "line-item",
            "oauth2-token",
            "item2",
        ] {
            assert_eq!(refused(name), None, "{name}");
        }
    }
}
