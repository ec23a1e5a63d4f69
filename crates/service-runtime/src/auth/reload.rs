//! One file's content, read again when it changes: passwords, keys, the policy.
//!
//! A file that cannot be used changes nothing: what was read last stays, and the log says why.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use tokio_util::task::AbortOnDropHandle;
use zeroize::Zeroizing;

use crate::chain::Chain;
use crate::watch::Changes;

/// The last usable `T`.
pub(super) struct Reloaded<T> {
    current: Arc<ArcSwap<T>>,
    _task: AbortOnDropHandle<()>,
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was read and cannot be used.
    #[error("{} cannot be used", path.display())]
    Rejected {
        /// Which file.
        path: PathBuf,
        /// Why. It shows nothing secret of what the file holds.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What makes a `T` of a file's text.
pub(super) trait Parse: Send + Sync + 'static {
    type Output: Send + Sync + 'static;
    type Error: std::error::Error + Send + Sync + 'static;

    fn parse(&self, text: &str) -> Result<Self::Output, Self::Error>;
}

// === impl Reloaded ===

impl<T: Send + Sync + 'static> Reloaded<T> {
    /// Reads the file, and follows it. `name` is for the log. Must be called on a tokio runtime.
    pub(super) fn start(
        name: &'static str,
        path: &Path,
        parse: impl Parse<Output = T>,
    ) -> Result<Self, FileError> {
        let path = path.to_owned();
        // Watched before it is read, so that no change is missed.
        let changes = Changes::of(std::slice::from_ref(&path));
        let text = read(&path)?;
        let value = build(&path, &text, &parse)?;
        let current = Arc::new(ArcSwap::from_pointee(value));
        let task = follow(name, path, parse, text, changes, current.clone());
        Ok(Self {
            current,
            _task: AbortOnDropHandle::new(tokio::spawn(task)),
        })
    }

    /// What was read last; costs no lock.
    pub(super) fn current(&self) -> Guard<Arc<T>> {
        self.current.load()
    }
}

impl<T> fmt::Debug for Reloaded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloaded").finish_non_exhaustive()
    }
}

async fn follow<P: Parse>(
    name: &'static str,
    path: PathBuf,
    parse: P,
    mut tried: Zeroizing<String>,
    mut changes: Changes,
    current: Arc<ArcSwap<P::Output>>,
) {
    let parse = Arc::new(parse);
    let mut unreadable = false;
    loop {
        changes.next().await;
        let (parse, path) = (parse.clone(), path.clone());
        let last = tried.clone();
        let work = tokio::task::spawn_blocking(move || match read(&path) {
            Ok(text) if text == last => None,
            Ok(text) => {
                let built = build(&path, &text, &*parse);
                Some((text, built))
            }
            Err(error) => Some((last, Err(error))),
        });
        // It is not cancelled but by the end of the runtime, and does not panic.
        let Ok(outcome) = work.await else { return };
        match outcome {
            None => unreadable = false,
            Some((text, Ok(value))) => {
                tried = text;
                unreadable = false;
                current.store(Arc::new(value));
                tracing::info!(name, "the file was read again");
            }
            Some((text, Err(error))) => {
                // A file that stays away is told of once.
                let repeated = unreadable && text == tried;
                unreadable = text == tried;
                tried = text;
                if !repeated {
                    tracing::error!(
                        name,
                        error = %Chain(&error),
                        "the file cannot be used; its last content stays"
                    );
                }
            }
        }
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, FileError> {
    std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|source| FileError::Read {
            path: path.to_owned(),
            source,
        })
}

fn build<P: Parse>(path: &Path, text: &str, parse: &P) -> Result<P::Output, FileError> {
    parse.parse(text).map_err(|source| FileError::Rejected {
        path: path.to_owned(),
        source: source.into(),
    })
}
