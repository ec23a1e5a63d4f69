//! The command line.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::error::Error;
use crate::names::Names;
use crate::part::{self, PARTS, Part};

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Cli {
    /// The root of the repository.
    pub(crate) root: PathBuf,
    /// What to do there.
    pub(crate) task: Task,
}

/// What to do.
#[derive(Debug)]
pub(crate) enum Task {
    /// Show the text of `--help`.
    Help,
    /// Write the bundle.
    Bundle,
    /// Fail when the bundle is stale.
    Check,
    /// Search for what is left of the first name.
    Leftovers,
    /// Rename in place.
    Rename {
        /// Into what.
        names: Names,
        /// Without what.
        left_out: Vec<&'static Part>,
    },
}

// === impl Cli ===

impl Cli {
    /// Reads the arguments, without the program's name.
    ///
    /// # Errors
    ///
    /// When they are none of the usages that the help shows, or the name cannot work.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, Error> {
        let mut words = Vec::new();
        let (mut plural, mut without) = (None, None);
        let (mut holder, mut repository) = (String::new(), String::new());
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (flag, inline) = match argument.split_once('=') {
                Some((flag, value)) if flag.starts_with("--") => {
                    (flag.to_owned(), Some(value.to_owned()))
                }
                _ => (argument, None),
            };
            let mut value = || {
                let value = inline.clone().or_else(|| arguments.next());
                value.ok_or_else(|| Error::Usage(format!("{flag} needs a value")))
            };
            match flag.as_str() {
                "-h" | "--help" => {
                    return Ok(Self {
                        root: PathBuf::new(),
                        task: Task::Help,
                    });
                }
                "--plural" => plural = Some(value()?),
                "--without" => without = Some(value()?),
                "--licence-holder" => holder = value()?,
                "--image-repository" => repository = value()?,
                "--bundle" | "--check" | "--leftovers" => words.push(flag),
                _ if flag.starts_with('-') => {
                    return Err(Error::Usage(format!("there is no option {flag}")));
                }
                _ => words.push(flag),
            }
        }
        let [root, task] = words.as_slice() else {
            return Err(Error::Usage(
                "expected a folder, and what to do in it".to_owned(),
            ));
        };
        let task = match task.as_str() {
            "--bundle" => Task::Bundle,
            "--check" => Task::Check,
            "--leftovers" => Task::Leftovers,
            name => {
                let left_out: Vec<&str> = without
                    .iter()
                    .flat_map(|it| it.split(','))
                    .filter(|it| !it.is_empty())
                    .collect();
                let left_out = part::left_out(&left_out).map_err(|name| {
                    let parts: Vec<_> = PARTS.iter().map(|it| it.name).collect();
                    Error::Usage(format!(
                        "there is no part `{name}`: expected some of {}",
                        parts.join(",")
                    ))
                })?;
                let names = Names::new(name, plural.as_deref())
                    .and_then(|it| it.held_by(&holder).pushed_to(&repository))
                    .map_err(Error::Name)?;
                Task::Rename { names, left_out }
            }
        };
        Ok(Self {
            root: PathBuf::from(root),
            task,
        })
    }
}

/// The text of `--help`.
pub(crate) fn help() -> String {
    let mut text = String::from(
        "Gives the entity of this repository another name.

Usage:
  rename FOLDER NAME [--plural NAMES] [--without PART,…] [--licence-holder WHO] [--image-repository WHERE]
  rename FOLDER --bundle      write template/bundle.rhai, from which cargo-generate renames
  rename FOLDER --check       exit with 1 if that file does not say what the sources say
  rename FOLDER --leftovers   show what is left of the first name; exit with 1 if something is

FOLDER is the root of the repository; commit first, since renaming rewrites it. NAME is the entity in the
singular, in kebab case: order, line-item. WHERE is what images are pushed to, such as ghcr.io/example.
Afterwards run `cargo fmt`.

Parts that can be left out:
",
    );
    for part in PARTS {
        let _ = writeln!(text, "  {:<8} {}", part.name, part.what);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, Error> {
        Cli::parse(line.split(' ').map(str::to_owned))
    }

    #[test]
    fn a_name_is_all_that_renaming_needs() {
        assert!(matches!(
            parse(". order").map(|it| it.task),
            Ok(Task::Rename { .. })
        ));
        assert!(matches!(
            parse(". --check").map(|it| it.task),
            Ok(Task::Check)
        ));
        assert!(matches!(parse("--help").map(|it| it.task), Ok(Task::Help)));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_was_expected() {
        for (line, part) in [
            (". order extra", "expected a folder"),
            (". order --plural", "--plural needs a value"),
            (". order --with=x", "there is no option --with"),
            (". order --without=x", "expected some of istio,"),
            (". type", "keyword"),
            (". order --image-repository=https://x", "ghcr.io/example"),
        ] {
            let error = parse(line)
                .err()
                .map(|it| it.to_string())
                .unwrap_or_default();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
