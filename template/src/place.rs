//! Where in a text a name stands: what is beside it, and whether it is code or a sentence.

/// A stretch of a text, and what it takes to say how a name there is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    path: &'a str,
    before: &'a str,
    after: &'a str,
    is_fenced: bool,
}

/// How a comment begins, by the kind of file.
enum Comment {
    Slashes,
    Dashes,
    Hash,
    /// Everything that is not code is a sentence.
    Markup,
    None,
}

// === impl Place ===

impl<'a> Place<'a> {
    /// `start..end` of `text`, the content of the file at `path`; `is_fenced` in a block of code that
    /// stands in a document.
    pub(crate) fn new(
        path: &'a str,
        text: &'a str,
        start: usize,
        end: usize,
        is_fenced: bool,
    ) -> Self {
        Self {
            path,
            before: &text[..start],
            after: &text[end..],
            is_fenced,
        }
    }

    /// The text before it.
    pub(crate) fn before(&self) -> &'a str {
        self.before
    }

    /// The text behind it.
    pub(crate) fn after(&self) -> &'a str {
        self.after
    }

    /// The character before it.
    pub(crate) fn previous(&self) -> Option<char> {
        self.before.chars().next_back()
    }

    /// The character behind it.
    pub(crate) fn next(&self) -> Option<char> {
        self.after.chars().next()
    }

    /// Whether words are joined by `_` in this kind of file.
    pub(crate) fn is_snake_case_file(&self) -> bool {
        matches!(
            extension(self.path),
            "rs" | "proto" | "sql" | "toml" | "js" | "html"
        )
    }

    /// Whether it stands in a page, whose capital words are titles and no types.
    pub(crate) fn is_page(&self) -> bool {
        extension(self.path) == "html"
    }

    /// Whether it is part of a sentence: of a comment, a document or a message, and neither quoted nor
    /// joined to anything.
    pub(crate) fn is_sentence(&self) -> bool {
        let starts = self
            .previous()
            .is_none_or(|it| it.is_whitespace() || matches!(it, '(' | '*' | '>'));
        let mut rest = self.after.chars();
        let ends = match rest.next() {
            None => true,
            Some('.' | ':' | '\'') => rest
                .next()
                .is_none_or(|it| it.is_whitespace() || matches!(it, '\\' | 's' | '"')),
            Some(it) => {
                it.is_whitespace() || matches!(it, ',' | ';' | ')' | '*' | '?' | '"' | '<' | '|')
            }
        };
        starts && ends && !self.is_fenced && (self.is_in_comment() || self.is_in_message())
    }

    /// Whether the word before it is one of SQL's, which are written in capitals.
    fn follows_sql(&self) -> bool {
        let word = self
            .before
            .trim_end()
            .rsplit([' ', '"', '\n'])
            .next()
            .unwrap_or_default();
        word.len() > 1 && word.bytes().all(|it| it.is_ascii_uppercase())
    }

    fn line(&self) -> &'a str {
        self.before.rsplit('\n').next().unwrap_or_default()
    }

    fn is_in_comment(&self) -> bool {
        let line = self.line();
        let code = match comment(self.path) {
            Comment::None => return false,
            Comment::Markup => Some(line),
            Comment::Slashes => behind(line, "//"),
            Comment::Dashes => behind(line, "--"),
            Comment::Hash => behind(line, "#"),
        };
        code.is_some_and(|comment| comment.matches('`').count() % 2 == 0)
    }

    /// Within a string of Rust that has a word beside the name.
    fn is_in_message(&self) -> bool {
        let is_quoted = self.line().replace("\\\"", "").matches('"').count() % 2 == 1;
        let is_word = |it: Option<char>| it.is_some_and(|it| it.is_ascii_lowercase());
        let beside = self
            .before
            .strip_suffix(' ')
            .is_some_and(|it| is_word(it.chars().next_back()))
            || self
                .after
                .strip_prefix(' ')
                .is_some_and(|it| is_word(it.chars().next()));
        extension(self.path) == "rs" && is_quoted && beside && !self.follows_sql()
    }
}

/// What stands behind the beginning of a comment, where there is one.
fn behind<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    let trimmed = line.trim_start();
    if let Some(comment) = trimmed.strip_prefix(mark) {
        return Some(comment);
    }
    line.split_once(&format!(" {mark} "))
        .map(|(_, comment)| comment)
}

/// The end of a file's name, behind the last dot.
pub(crate) fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn comment(path: &str) -> Comment {
    match extension(path) {
        "rs" | "proto" | "js" | "go" => Comment::Slashes,
        "sql" => Comment::Dashes,
        "md" | "html" => Comment::Markup,
        "json" | "lock" | "svg" => Comment::None,
        _ => Comment::Hash,
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test stops at what it does not expect"
    )]

    use super::*;

    fn is_sentence(path: &str, text: &str) -> bool {
        let start = text.find("user").unwrap();
        let plural = usize::from(text[start + 4..].starts_with('s'));
        Place::new(path, text, start, start + 4 + plural, false).is_sentence()
    }

    #[test]
    fn comments_documents_and_messages_are_sentences() {
        for (path, text) in [
            ("a.rs", "/// The user to keep."),
            ("a.rs", "    let a = 1; // one user\n"),
            ("a.rs", "    expect(\"a page has users\")"),
            ("a.proto", "  // The user's id.\n"),
            ("a.sql", "-- one row for each user\n"),
            ("k.yaml", "# where users are kept\n"),
            ("README.md", "It keeps users."),
        ] {
            assert!(is_sentence(path, text), "{text}");
        }
    }

    #[test]
    fn code_is_not_a_sentence_wherever_it_stands() {
        for (path, text) in [
            ("a.rs", "    for user in users {"),
            ("a.rs", "    let sql = \"INSERT INTO users (id)\";"),
            ("a.rs", "    check(\"user\", user)"),
            ("a.rs", "    // the field `user`"),
            ("a.proto", "  User user = 1;"),
            ("k.yaml", "  name: user\n"),
            ("README.md", "| `the user` |"),
            ("a.json", "\"the user is\""),
        ] {
            assert!(!is_sentence(path, text), "{text}");
        }
    }
}
