//! Why there are no certificates.

use std::io;
use std::path::PathBuf;

/// Why nothing, or not everything, was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// They could be in use.
    #[error(
        "{} is there already; --renew makes new certificates by the same authority, --force makes \
         everything anew",
        .0.display()
    )]
    Exists(PathBuf),
    /// There is nothing to renew with.
    #[error(
        "{} cannot be read; --renew needs the authority that an earlier run made",
        path.display()
    )]
    Authority {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The names cannot be of such a namespace.
    #[error("the namespace cannot be one of Kubernetes")]
    Namespace(#[from] super::names::NotANamespace),
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
