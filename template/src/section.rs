//! Sections of a file that belong to a part which may be left out, or to the template alone.
//!
//! A comment of one line opens a section (`template:if istio`, or `template:only`), another closes it
//! (`template:end`); sections do not nest. What belongs to the template alone is dropped at once, what
//! belongs to a part stands between characters until it is known whether the part stays.

use crate::error::Error;
use crate::form::{SECTION, SECTION_END, SECTION_TEXT};
use crate::part::{self, Part};

/// What a line says about sections.
enum Mark<'a> {
    If(&'a str),
    Only,
    End,
}

/// The text with its marks resolved.
///
/// # Errors
///
/// A mark without its other half, or for a part that there is not.
pub(crate) fn folded(path: &str, text: &str) -> Result<String, Error> {
    let mut output = String::with_capacity(text.len());
    let mut open: Option<(usize, Option<&str>)> = None;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let wrong = |problem: &str| Error::Mark {
            path: path.to_owned(),
            line: index + 1,
            problem: problem.to_owned(),
        };
        match (mark(line), open) {
            (None, Some((_, None))) => {}
            (None, _) => output.push_str(line),
            (Some(Mark::End), None) => return Err(wrong("template:end closes nothing")),
            (Some(Mark::End), Some((_, part))) => {
                if part.is_some() {
                    output.push(SECTION_END);
                }
                open = None;
            }
            (Some(_), Some(_)) => {
                return Err(wrong(
                    "sections do not nest: expected template:end before this",
                ));
            }
            (Some(Mark::Only), None) => open = Some((index, None)),
            (Some(Mark::If(name)), None) => {
                let part =
                    part::named(name).ok_or_else(|| wrong("there is no part of that name"))?;
                output.push(SECTION);
                output.push_str(part.name);
                output.push(SECTION_TEXT);
                open = Some((index, Some(part.name)));
            }
        }
    }
    match open {
        Some((index, _)) => Err(Error::Mark {
            path: path.to_owned(),
            line: index + 1,
            problem: "expected template:end behind this".to_owned(),
        }),
        None => Ok(output),
    }
}

/// The text without the sections of parts that are left out.
pub(crate) fn kept(text: &str, left_out: &[&Part]) -> String {
    let mut sections = text.split(SECTION);
    let mut output = sections.next().unwrap_or_default().to_owned();
    for section in sections {
        let (inside, behind) = section.split_once(SECTION_END).unwrap_or((section, ""));
        let (part, content) = inside.split_once(SECTION_TEXT).unwrap_or(("", inside));
        let (part, is_instead) = part
            .strip_prefix('!')
            .map_or((part, false), |it| (it, true));
        if left_out.iter().any(|it| it.name == part) == is_instead {
            output.push_str(content);
        }
        output.push_str(behind);
    }
    output
}

fn mark(line: &str) -> Option<Mark<'_>> {
    let comment = ["//", "#", "--", "<!--"]
        .iter()
        .find_map(|leader| line.trim().strip_prefix(leader))?
        .trim_end_matches("-->")
        .trim();
    match comment.strip_prefix("template:")? {
        "only" => Some(Mark::Only),
        "end" => Some(Mark::End),
        rest => rest.strip_prefix("if ").map(Mark::If),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test stops at what it does not expect"
    )]

    use super::*;

    const TEXT: &str = "a\n# template:if istio\nb\n# template:end\n<!-- template:only -->\nc\n<!-- template:end -->\nd\n";

    #[test]
    fn a_part_that_is_left_out_takes_its_sections_with_it() {
        let folded = folded("a", TEXT).unwrap();
        assert_eq!(kept(&folded, &[]), "a\nb\nd\n");
        assert_eq!(kept(&folded, &[part::named("istio").unwrap()]), "a\nd\n");
    }

    #[test]
    fn a_mark_without_its_other_half_is_refused_with_its_place() {
        for (text, place) in [
            ("a\n# template:if istio\n", "a:2"),
            ("# template:end\n", "a:1"),
            (
                "# template:only\n# template:if istio\n# template:end\n",
                "a:2",
            ),
            ("# template:if nothing\n# template:end\n", "a:1"),
        ] {
            let error = folded("a", text).unwrap_err().to_string();
            assert!(error.starts_with(place), "{error}");
        }
    }
}
