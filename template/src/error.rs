//! What can go wrong, and what to do about it.

use std::{error, fmt, io};

use crate::refusal::Refusal;

/// Why nothing, or not everything, was done.
#[derive(Debug)]
pub(crate) enum Error {
    /// The command line is not one of those that `--help` shows.
    Usage(String),
    /// The name cannot work.
    Name(Refusal),
    /// The folder is not the root of this repository under its first name.
    NotTheTemplate(String),
    /// A file uses the characters that stand for names.
    Reserved(String),
    /// A mark without its other half, or for a part that there is not.
    Mark {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A part's lines are not where `part/` says they are.
    Cut {
        /// The file.
        path: String,
        /// The part.
        part: &'static str,
        /// The lines' beginning.
        text: String,
        /// What is wrong.
        problem: String,
    },
    /// The bundle does not say what the sources say.
    Stale(String),
    /// A file could not be read or written.
    File {
        /// "read", "write", ….
        action: &'static str,
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
}

// === impl Error ===

impl Error {
    /// A file that could not be read or written.
    pub(crate) fn file(action: &'static str, path: &str, source: io::Error) -> Self {
        Self::File {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// The process's exit code: 64 for a wrong command line or name, 1 for a failure.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Name(_) => 64,
            _ => 1,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(problem) => write!(formatter, "{problem}; --help shows the commands"),
            Self::Name(refusal) => refusal.fmt(formatter),
            Self::NotTheTemplate(root) => write!(
                formatter,
                "{root} has no folder user-api: expected the root of the repository, not yet renamed"
            ),
            Self::Reserved(path) => {
                write!(
                    formatter,
                    "{path} uses characters of U+E000 to U+E0FF, which stand for names here"
                )
            }
            Self::Mark {
                path,
                line,
                problem,
            } => write!(formatter, "{path}:{line}: {problem}"),
            Self::Cut {
                path,
                part,
                text,
                problem,
            } => {
                write!(
                    formatter,
                    "{path}: what goes with the part {part}, `{text}`, {problem}: see template/src/part/{part}.rs"
                )
            }
            Self::Stale(path) => write!(
                formatter,
                "{path} does not say what the sources say: \
                 run `cargo run --manifest-path template/Cargo.toml -- . --bundle`, and commit it"
            ),
            Self::File { action, path, .. } => write!(formatter, "cannot {action} {path}"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            _ => None,
        }
    }
}
