//! What is wrong with the settings: every problem at once, each with its key, its layer and its cure.

use std::fmt;

use super::Origin;

/// The settings cannot be used. Its message has one line for every problem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The dotted key, such as `server.address`. `None` when a whole layer could not be read.
    pub key: Option<String>,
    /// The layer that it came from.
    pub origin: Origin,
    /// What is wrong, and what was expected.
    pub kind: ProblemKind,
}

/// The kinds of problems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// There is no such key; `near` holds those that look like it, the nearest first.
    UnknownKey {
        /// Known keys that look like it.
        near: Vec<String>,
    },
    /// The key names a section; the values are set by the keys inside of it.
    Section,
    /// The value has the wrong type, or is not acceptable.
    Value {
        /// What was expected, and what was found when that may be shown.
        message: String,
        /// Whether the value looks like one that Kubernetes injects for a Service of the same name.
        service_link: bool,
    },
    /// A layer could not be read at all: no such file, no valid TOML, not Unicode.
    Unreadable {
        /// Why.
        message: String,
    },
}

// === impl Error ===

impl Error {
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// Every problem, in the order of the layers.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => f.write_str("1 problem in the settings:")?,
            count => write!(f, "{count} problems in the settings:")?,
        }
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

// === impl Problem ===

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{key} ({}): {}", self.origin, self.kind),
            None => write!(f, "{}: {}", self.origin, self.kind),
        }
    }
}

// === impl ProblemKind ===

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey { near } if near.is_empty() => {
                f.write_str("unknown key; `config print` shows those that exist")
            }
            Self::UnknownKey { near } => {
                write!(f, "unknown key; did you mean {}?", near.join(" or "))
            }
            Self::Section => f.write_str("expected one of the keys inside of this section"),
            Self::Value {
                message,
                service_link,
            } => {
                f.write_str(message)?;
                if *service_link {
                    f.write_str(
                        "; this looks like a variable that Kubernetes injects for a Service of \
                         the same name: set enableServiceLinks: false in the pod's spec",
                    )?;
                }
                Ok(())
            }
            Self::Unreadable { message } => f.write_str(message),
        }
    }
}
