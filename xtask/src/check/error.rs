//! Why a check could not be made at all.

use std::io;
use std::path::PathBuf;

use super::render::NotYaml;

/// Why a check could not be made. What a check has found is no error, but a
/// [`Finding`](super::finding::Finding).
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A name on the command line is none of a check.
    #[error("there is no check {name:?}; expected one of: {}", known.join(" "))]
    UnknownCheck {
        /// As it was typed.
        name: String,
        /// Those that there are.
        known: Vec<&'static str>,
    },
    /// See the source.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file or the folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// See the source.
    #[error("{} cannot be written", path.display())]
    Write {
        /// The file or the folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A kustomization that cannot be read.
    #[error("{} is not the YAML of a kustomization", path.display())]
    Kustomization {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// See the source.
    #[error(transparent)]
    NotYaml(#[from] NotYaml),
    /// See the source.
    #[error("{program} cannot be started")]
    Start {
        /// Its name.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Components that need certificates cannot be rendered.
    #[error("there are no certificates for the manifests")]
    Certificates(#[source] crate::certs::Error),
    /// It has failed, and did not say what it has found.
    #[error("{program} has failed: {message}")]
    Failed {
        /// Its name.
        program: &'static str,
        /// What it has written to standard error.
        message: String,
    },
}

/// Turns an I/O error of a path into one of ours.
pub(super) fn reading(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    |source| Error::Read { path, source }
}

/// Turns an I/O error of a path into one of ours.
pub(super) fn writing(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    |source| Error::Write { path, source }
}
