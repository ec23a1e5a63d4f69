//! Why there are no certificates.

use std::io;
use std::path::PathBuf;

/// Why nothing, or not everything, was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// They could be in use.
    #[error("{} is there already; --force makes everything anew, the authority as well", .0.display())]
    Exists(PathBuf),
    /// No certificate could be made.
    #[error("a certificate cannot be made")]
    Issue(#[source] rcgen::Error),
    /// See the source.
    #[error("the folder {} cannot be made", path.display())]
    Directory {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// See the source.
    #[error("{} cannot be written", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
