//! Finds the entity's name in a text, and puts the character of its form in its place.

use crate::form::{ARTICLE, CAPITAL_ARTICLE, Form, Shape};
use crate::keep;
use crate::place::{self, Place};

/// The entity of this repository: a word of one syllable group that is one word in every language.
const ENTITY: [&str; 3] = ["user", "User", "USER"];

/// The text of the file at `path` with characters in the place of names.
pub(crate) fn tokenized(path: &str, text: &str) -> String {
    let mut output = String::with_capacity(text.len());
    let mut copied = 0;
    let mut fence = None;
    for (start, word) in words(text) {
        if start < copied {
            continue;
        }
        if place::extension(path) == "md" {
            fence = fenced(&text[copied..start], fence);
        }
        let end = start + word.len();
        let is_plural = text[end..].starts_with(if word == "USER" { 'S' } else { 's' })
            && is_end(word, text[end + 1..].chars().next());
        let end = end + usize::from(is_plural);
        let place = Place::new(fence.unwrap_or(path), text, start, end, fence == Some(""));
        output.push_str(&text[copied..start]);
        copied = end;
        let shape = shape(word, &place).filter(|_| !keep::is_other_term(word, &place));
        if let Some(shape) = shape {
            if !is_plural {
                turn_article(&mut output);
            }
            output.push(Form { shape, is_plural }.token());
        } else {
            output.push_str(&text[start..end]);
        }
    }
    output.push_str(&text[copied..]);
    output
}

fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.char_indices().filter_map(|(start, first)| {
        matches!(first, 'u' | 'U').then_some(())?;
        let word = ENTITY.iter().find(|it| text[start..].starts_with(**it))?;
        Some((start, *word))
    })
}

/// Whether a document is in a block of code after this text, and a file of which language that is; none
/// is told by an empty name.
fn fenced(text: &str, mut fence: Option<&'static str>) -> Option<&'static str> {
    let marks = text
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("```"));
    for language in marks {
        fence = match (fence, language) {
            (Some(_), _) => None,
            (None, "rust") => Some(".rs"),
            (None, "proto") => Some(".proto"),
            (None, "sql") => Some(".sql"),
            (None, "toml") => Some(".toml"),
            (None, "yaml") => Some(".yaml"),
            (None, _) => Some(""),
        };
    }
    fence
}

/// How the name at a place is written; nothing where it is part of another word.
fn shape(word: &str, place: &Place<'_>) -> Option<Shape> {
    if !is_start(word, place) || !is_end(word, place.next()) {
        return None;
    }
    Some(match word {
        "USER" if place.next() != Some('_') => return None,
        "USER" => Shape::ShoutySnake,
        "User" => capital(place),
        _ => small(place),
    })
}

/// Names begin at the border of a word; in `CamelCase` also at a hump.
fn is_start(word: &str, place: &Place<'_>) -> bool {
    let Some(previous) = place.previous().filter(char::is_ascii_alphanumeric) else {
        return true;
    };
    let is_escape = matches!(previous, 'n' | 'r' | 't')
        && place.before()[..place.before().len() - 1].ends_with('\\');
    is_escape || word == "User"
}

/// Names end at the border of a word, or where the next hump begins.
fn is_end(word: &str, next: Option<char>) -> bool {
    next.is_none_or(|it| match word {
        "USER" => !it.is_ascii_alphanumeric(),
        _ => !it.is_ascii_lowercase() && !it.is_ascii_digit(),
    })
}

fn capital(place: &Place<'_>) -> Shape {
    let is_alone = !place.previous().is_some_and(char::is_alphanumeric)
        && !place.next().is_some_and(char::is_alphanumeric);
    let begins_sentence = place
        .after()
        .strip_prefix(' ')
        .is_some_and(|it| it.starts_with(|it: char| it.is_ascii_lowercase()))
        && !place.before().ends_with("impl ");
    if is_alone && place.is_sentence() && (begins_sentence || place.is_page()) {
        Shape::Sentence
    } else {
        Shape::Camel
    }
}

fn small(place: &Place<'_>) -> Shape {
    let (before, after) = (place.before(), place.after());
    let (previous, next) = (place.previous(), place.next());
    if next.is_some_and(|it| it.is_ascii_uppercase()) {
        Shape::LowerCamel
    } else if previous == Some('-') || next == Some('-') {
        Shape::Kebab
    } else if is_of_code(after) || previous == Some('_') || next == Some('_') {
        Shape::Snake
    } else if is_host(before, after) {
        Shape::Kebab
    } else if after
        .strip_prefix('.')
        .is_some_and(|it| it.starts_with(|it: char| it.is_ascii_lowercase()))
    {
        Shape::Snake
    } else if is_json_member(before, after) {
        Shape::LowerCamel
    } else if place.is_sentence() {
        Shape::Spaced
    } else if place.is_snake_case_file() {
        Shape::Snake
    } else {
        Shape::Kebab
    }
}

/// A module, a file of it, or a package.
fn is_of_code(after: &str) -> bool {
    is_version(after)
        || [".rs", ".proto", "::"]
            .iter()
            .any(|it| after.starts_with(it))
}

/// A package of protobuf: `user.v1`, `user/v1`, and the first as a regular expression says it.
fn is_version(after: &str) -> bool {
    ["/v", ".v", "\\.v", "\\\\.v", "[.]v"]
        .iter()
        .filter_map(|it| after.strip_prefix(it))
        .any(|it| it.starts_with(|it: char| it.is_ascii_digit()))
}

/// A name of DNS or of Kubernetes, in which `_` is not allowed.
fn is_host(before: &str, after: &str) -> bool {
    after.starts_with(".example")
        || after.starts_with(".svc")
        || before.ends_with("-server.")
        || before.ends_with("-headless.")
        || before.ends_with("/ns/")
}

/// `answer["user"]`: protobuf's JSON, whose members are written like this.
fn is_json_member(before: &str, after: &str) -> bool {
    let indexed = before
        .strip_suffix("[\"")
        .and_then(|it| it.chars().next_back());
    indexed.is_some_and(|it| it.is_alphanumeric() || matches!(it, '_' | ']' | ')'))
        && after.starts_with("\"]")
}

/// "a" before a name becomes the character that stands for "a" or "an".
fn turn_article(output: &mut String) {
    let stem = output.trim_end_matches(['`', '*', '"', '[', '(']);
    let Some(before) = stem.strip_suffix(" ") else {
        return;
    };
    let (token, rest) = if let Some(rest) = before.strip_suffix('a') {
        (ARTICLE, rest)
    } else if let Some(rest) = before.strip_suffix('A') {
        (CAPITAL_ARTICLE, rest)
    } else {
        return;
    };
    if rest.ends_with(|it: char| it.is_alphanumeric() || matches!(it, '\'' | '_' | '-' | '.')) {
        return;
    }
    let (at, behind) = (rest.len(), rest.len() + 1);
    output.replace_range(at..behind, &token.to_string());
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test stops at what it does not expect"
    )]

    use super::*;
    use crate::names::Names;

    fn renamed(path: &str, text: &str) -> String {
        Names::new("line-item", None)
            .unwrap()
            .render(&tokenized(path, text))
    }

    #[test]
    fn every_language_gets_its_own_spelling() {
        for (path, text, expected) in [
            (
                "a.rs",
                "use user_api::v1::{ListUsersRequest, NewUser, User};",
                "use line_item_api::v1::{ListLineItemsRequest, NewLineItem, LineItem};",
            ),
            (
                "a.rs",
                "let users = store.create_user(user.id);",
                "let line_items = store.create_line_item(line_item.id);",
            ),
            (
                "a.rs",
                "env!(\"CARGO_BIN_EXE_user-server\")",
                "env!(\"CARGO_BIN_EXE_line-item-server\")",
            ),
            (
                "a.rs",
                "json[\"users\"][0][\"user\"][\"id\"]",
                "json[\"lineItems\"][0][\"lineItem\"][\"id\"]",
            ),
            (
                "a.rs",
                "assert_eq!(fields, [\"user\", \"user.email\"]);",
                "assert_eq!(fields, [\"line_item\", \"line_item.email\"]);",
            ),
            ("a.rs", "\"\\nuser_id\"", "\"\\nline_item_id\""),
            ("k.yaml", "name: user-server", "name: line-item-server"),
            (
                "k.yaml",
                "app.kubernetes.io/part-of: user",
                "app.kubernetes.io/part-of: line-item",
            ),
            (
                "k.yaml",
                "regex: /user\\.v1\\.UserService/",
                "regex: /line_item\\.v1\\.LineItemService/",
            ),
            (
                "k.yaml",
                "- user-server.user.svc",
                "- line-item-server.line-item.svc",
            ),
            (
                "k.yaml",
                "value: USER_SERVER__STORE__URL",
                "value: LINE_ITEM_SERVER__STORE__URL",
            ),
            (
                "d.json",
                "grpc_method=~\\\"user[.]v1[.].+\\\"",
                "grpc_method=~\\\"line_item[.]v1[.].+\\\"",
            ),
            ("a.sql", "CREATE TABLE users (", "CREATE TABLE line_items ("),
            (
                "R.md",
                "[`x`](user-api/proto/user/v1/user_service.proto)",
                "[`x`](line-item-api/proto/line_item/v1/line_item_service.proto)",
            ),
            (
                "p.html",
                "<title>Users</title>",
                "<title>Line items</title>",
            ),
        ] {
            assert_eq!(renamed(path, text), expected);
        }
    }

    #[test]
    fn sentences_are_written_for_readers() {
        for (path, text, expected) in [
            (
                "a.proto",
                "// Deletes a user (AIP-135).",
                "// Deletes a line item (AIP-135).",
            ),
            (
                "a.proto",
                "// Only users whose name",
                "// Only line items whose name",
            ),
            (
                "a.rs",
                "//! What a user is; see `user.rs`.",
                "//! What a line item is; see `line_item.rs`.",
            ),
            ("a.rs", "// === impl User ===", "// === impl LineItem ==="),
            (
                "R.md",
                "A `UserService` keeps users.",
                "A `LineItemService` keeps line items.",
            ),
        ] {
            assert_eq!(renamed(path, text), expected);
        }
        let order = Names::new("order", None).unwrap();
        let text = tokenized("R.md", "A `UserService`: a user, one user, an old user.");
        assert_eq!(
            order.render(&text),
            "An `OrderService`: an order, one order, an old order."
        );
        assert_eq!(
            order.render(&tokenized("a.rs", "impl From<&'a User>")),
            "impl From<&'a Order>"
        );
    }

    #[test]
    fn a_block_of_code_in_a_document_is_code() {
        let text = "The user:\n\n```json\n{ user }\n```\n\nThe user.";
        assert_eq!(
            renamed("R.md", text),
            "The line item:\n\n```json\n{ line-item }\n```\n\nThe line item."
        );
        let text = "```rust\n/// A user.\nlet user = 1;\n```\n";
        let expected = "```rust\n/// A line item.\nlet line_item = 1;\n```\n";
        assert_eq!(renamed("R.md", text), expected);
    }

    #[test]
    fn other_words_stay() {
        for text in [
            "runAsUser: 1",
            "superuser",
            "username",
            "USER 65532:65532",
            "userinfo",
            "statusError",
            "accuser",
        ] {
            assert_eq!(renamed("k.yaml", text), text);
        }
    }
}
