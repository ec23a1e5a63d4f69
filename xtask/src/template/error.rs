//! Why nothing could be tried.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What stops a run, or one of its steps.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// A typing mistake.
    #[error("there is no case {0:?}; --list names them")]
    Case(String),
    /// A program could not be started.
    #[error("{program} cannot be started")]
    Start {
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A file could not be read or written.
    #[error("{} cannot be read or written", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A document's step cannot be followed.
    #[error("{document}, step {step}: {problem}")]
    Step {
        /// The document.
        document: String,
        /// The step, from 1.
        step: usize,
        /// What is wrong with it.
        problem: String,
    },
}

// === impl Error ===

impl Error {
    /// For `map_err` on what is done with a file.
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::File { path, source }
    }

    /// 64 for a wrong command line, 1 for everything else.
    pub(super) fn code(&self) -> ExitCode {
        match self {
            Self::Case(_) => ExitCode::from(crate::USAGE),
            _ => ExitCode::FAILURE,
        }
    }
}
