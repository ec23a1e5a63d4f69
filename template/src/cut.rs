//! What a part takes with it out of a file that it shares: found by its text, so that the sources need no
//! marks for it, and refused when it is not found, so that it cannot be forgotten.
//!
//! Whole lines are cut, and become sections (`section.rs`): one of the part, and one of what stands there
//! without it.

use crate::error::Error;
use crate::form::{SECTION, SECTION_END, SECTION_TEXT};
use crate::part::{PARTS, Part};

/// Lines of a file that go with a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The file.
    pub(crate) path: &'static str,
    /// A text before them; from there on they are the first that match. Empty where they are the only ones.
    pub(crate) within: &'static str,
    /// What stands in their first line, or is all of them.
    pub(crate) from: &'static str,
    /// What stands in their last line; empty for that of `from`.
    pub(crate) to: &'static str,
    /// What stands there without the part.
    pub(crate) instead: &'static str,
}

/// The text of the file at `path` with the sections of all cuts in it.
///
/// # Errors
///
/// A cut whose text is not there, is there more than once, or crosses another one.
pub(crate) fn opened(path: &str, text: &str) -> Result<String, Error> {
    let mut sections: Vec<(usize, usize, &Part, &Cut)> = Vec::new();
    for part in PARTS {
        for cut in part.cuts.iter().filter(|it| it.path == path) {
            let (start, end) = cut
                .find(text)
                .map_err(|problem| wrong(path, part, cut, problem))?;
            sections.push((start, end, part, cut));
        }
    }
    sections.sort_by_key(|it| it.0);
    let mut output = String::with_capacity(text.len());
    let mut copied = 0;
    for (start, end, part, cut) in sections {
        if start < copied {
            return Err(wrong(path, part, cut, "is part of another cut"));
        }
        output.push_str(&text[copied..start]);
        push(&mut output, part.name, "", &text[start..end]);
        if !cut.instead.is_empty() {
            push(&mut output, part.name, "!", cut.instead);
        }
        copied = end;
    }
    output.push_str(&text[copied..]);
    Ok(output)
}

fn push(output: &mut String, part: &str, prefix: &str, text: &str) {
    output.push(SECTION);
    output.push_str(prefix);
    output.push_str(part);
    output.push(SECTION_TEXT);
    output.push_str(text);
    output.push(SECTION_END);
}

fn wrong(path: &str, part: &Part, cut: &Cut, problem: &str) -> Error {
    Error::Cut {
        path: path.to_owned(),
        part: part.name,
        text: cut
            .from
            .lines()
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned(),
        problem: problem.to_owned(),
    }
}

// === impl Cut ===

impl Cut {
    /// Lines that stand for themselves.
    pub(crate) const fn lines(path: &'static str, from: &'static str) -> Self {
        Self::block(path, from, "")
    }

    /// Lines from the one with `from` to the next one with `to`.
    pub(crate) const fn block(path: &'static str, from: &'static str, to: &'static str) -> Self {
        Self {
            path,
            within: "",
            from,
            to,
            instead: "",
        }
    }

    /// The same, found behind another text only.
    pub(crate) const fn within(self, within: &'static str) -> Self {
        Self { within, ..self }
    }

    /// The same, with other lines in their place.
    pub(crate) const fn instead(self, instead: &'static str) -> Self {
        Self { instead, ..self }
    }

    fn find(&self, text: &str) -> Result<(usize, usize), &'static str> {
        let from = match self.within {
            "" => {
                let mut found = text.match_indices(self.from).map(|it| it.0);
                let first = found.next().ok_or("is not there")?;
                if found.next().is_some() {
                    return Err("is there more than once");
                }
                first
            }
            within => {
                let begin = text.find(within).ok_or("does not follow what it should")?;
                begin + text[begin..].find(self.from).ok_or("is not there")?
            }
        };
        let behind = from + self.from.len();
        let to = match self.to {
            "" => behind,
            to => behind + text[behind..].find(to).ok_or("has no end")? + to.len(),
        };
        let start = text[..from].rfind('\n').map_or(0, |it| it + 1);
        let is_whole = text[..to].ends_with('\n');
        let end = if is_whole {
            to
        } else {
            text[to..].find('\n').map_or(text.len(), |it| to + it + 1)
        };
        Ok((start, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a\nb 1\nc\nb 2\nd\n";

    fn found(cut: Cut) -> Result<&'static str, &'static str> {
        cut.find(TEXT).map(|(start, end)| &TEXT[start..end])
    }

    #[test]
    fn whole_lines_are_cut() {
        assert_eq!(found(Cut::lines("", "1")), Ok("b 1\n"));
        assert_eq!(found(Cut::lines("", "a\nb 1\n")), Ok("a\nb 1\n"));
        assert_eq!(found(Cut::block("", "1", "2")), Ok("b 1\nc\nb 2\n"));
        assert_eq!(found(Cut::lines("", "b").within("c")), Ok("b 2\n"));
    }

    #[test]
    fn what_is_not_there_or_not_alone_is_refused() {
        assert_eq!(found(Cut::lines("", "x")), Err("is not there"));
        assert_eq!(found(Cut::lines("", "b")), Err("is there more than once"));
        assert_eq!(found(Cut::block("", "d", "a")), Err("has no end"));
    }
}
