//! What was made of files, made again when they change.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::server::VerifierBuilderError;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::files::{Contents, FileError};
use crate::chain::Chain;
use crate::watch::{Changes, SETTLE};

/// Hands out the last usable `T`. Clones share it; the last one ends the watch on the files.
#[derive(Debug)]
pub struct Reloader<T> {
    current: watch::Receiver<Arc<T>>,
    status: watch::Receiver<Status>,
    task: Arc<AbortOnDropHandle<()>>,
}

/// How it is with the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// When what is used was read.
    pub loaded_at: Timestamp,
    /// Until when its certificate is valid, if it has one.
    pub not_after: Option<Timestamp>,
    /// Why newer files are not used, with every cause.
    pub rejected: Option<String>,
}

/// Files that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// One of them for itself.
    #[error(transparent)]
    File(#[from] FileError),
    /// The certificate was valid once. One that is to be valid later is taken: clocks differ.
    #[error("the certificate in {} was valid until {not_after}", path.display())]
    Expired {
        /// Which file.
        path: PathBuf,
        /// Until when it was valid.
        not_after: Timestamp,
    },
    /// All of them together.
    #[error("the certificate and the private key cannot be used")]
    Rejected(#[source] rustls::Error),
    /// The authorities.
    #[error("the authorities of clients cannot be used")]
    Verifier(#[source] VerifierBuilderError),
    /// The SPIFFE Workload API has nothing, or nothing that can be used.
    #[error("the SPIFFE Workload API gives no identity")]
    Workload(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Files were to be read where there are none.
    #[error("an identity of the SPIFFE Workload API has to be waited for")]
    NotFiles,
    /// Fewer files were read than were named.
    #[error("files are missing")]
    Incomplete,
}

/// What makes a `T` of files.
pub(super) trait Source: Send + Sync + 'static {
    type Output: Send + Sync + 'static;

    /// The files, in the order in which [`Source::build`] gets them.
    fn paths(&self) -> Vec<PathBuf>;

    fn build(&self, files: &[Contents]) -> Result<Loaded<Self::Output>, LoadError>;
}

/// What was made.
pub(super) struct Loaded<T> {
    pub(super) value: T,
    pub(super) not_after: Option<Timestamp>,
}

/// Replaces what a [`Reloader`] hands out.
pub(super) struct Publisher<T> {
    name: &'static str,
    current: watch::Sender<Arc<T>>,
    status: watch::Sender<Status>,
}

/// The files as they were tried last.
type Tried = Result<Vec<Contents>, String>;

/// What was made of files that are other ones than before.
type News<T> = Option<Result<Loaded<T>, LoadError>>;

// === impl Reloader ===

impl<T: Send + Sync + 'static> Reloader<T> {
    pub(super) fn start(
        name: &'static str,
        source: impl Source<Output = T>,
    ) -> Result<Self, LoadError> {
        let source = Arc::new(source);
        // Watched before they are read, so that no change is missed.
        let changes = Changes::of(&source.paths());
        let files = read(&*source)?;
        let loaded = source.build(&files)?;
        Ok(Self::with(name, loaded, |publisher| {
            follow(source, Ok(files), changes, publisher)
        }))
    }

    /// Begins with what was loaded, and goes on with what a task publishes.
    pub(super) fn with<F>(
        name: &'static str,
        loaded: Loaded<T>,
        task: impl FnOnce(Publisher<T>) -> F,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (status, status_of) = watch::channel(Status::of(&loaded));
        let (current, current_of) = watch::channel(Arc::new(loaded.value));
        let task = task(Publisher {
            name,
            current,
            status,
        });
        Self {
            current: current_of,
            status: status_of,
            task: Arc::new(AbortOnDropHandle::new(tokio::spawn(task))),
        }
    }

    /// What the next connection is to use.
    #[must_use]
    pub fn current(&self) -> Arc<T> {
        self.current.borrow().clone()
    }

    /// Waits for the next one. Cancel-safe.
    pub async fn changed(&mut self) -> Arc<T> {
        if self.current.changed().await.is_err() {
            // The task ends only with the runtime.
            std::future::pending::<()>().await;
        }
        self.current.borrow_and_update().clone()
    }

    /// How it is with the files.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// The same for whoever looks again and again, and does not keep the watch on the files going.
    pub(super) fn status_of(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }
}

impl<T> Clone for Reloader<T> {
    fn clone(&self) -> Self {
        Self {
            current: self.current.clone(),
            status: self.status.clone(),
            task: self.task.clone(),
        }
    }
}

// === impl Publisher ===

impl<T> Publisher<T> {
    /// Hands out what was made, or says why nothing was.
    pub(super) fn publish(&self, news: Result<Loaded<T>, LoadError>) {
        let name = self.name;
        match news {
            Ok(loaded) => {
                let not_after = loaded.not_after.map(tracing::field::display);
                tracing::info!(name, not_after, "new certificates are used");
                // Whoever waits for the change finds the status of it.
                self.status.send_replace(Status::of(&loaded));
                self.current.send_replace(Arc::new(loaded.value));
            }
            Err(error) => {
                let error = Chain(&error).to_string();
                tracing::error!(
                    name,
                    error,
                    "new certificates cannot be used; the old ones stay"
                );
                self.status
                    .send_modify(|status| status.rejected = Some(error));
            }
        }
    }
}

// === impl Status ===

impl Status {
    fn of<T>(loaded: &Loaded<T>) -> Self {
        Self {
            loaded_at: Timestamp::now(),
            not_after: loaded.not_after,
            rejected: None,
        }
    }
}

/// For people: until when the certificate is valid, and what is wrong with newer files.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.not_after {
            Some(not_after) => write!(f, "the certificate is valid until {not_after}")?,
            None => write!(f, "loaded at {}", self.loaded_at)?,
        }
        match &self.rejected {
            Some(why) => write!(f, "; newer files are not used: {why}"),
            None => Ok(()),
        }
    }
}

async fn follow<S: Source>(
    source: Arc<S>,
    mut tried: Tried,
    mut changes: Changes,
    publisher: Publisher<S::Output>,
) {
    loop {
        changes.next().await;
        let mut refused = None;
        loop {
            let work = {
                let source = source.clone();
                tokio::task::spawn_blocking(move || attempt(&*source, tried))
            };
            // It is not cancelled but by the end of the runtime, and does not panic.
            let Ok((now_tried, news)) = work.await else {
                return;
            };
            tried = now_tried;
            match (news, refused.take()) {
                (Some(Ok(loaded)), _) => publisher.publish(Ok(loaded)),
                (None, Some(error)) => publisher.publish(Err(error)),
                (None, None) => {}
                (Some(Err(error)), _) => {
                    // A writer may be half-way; it counts when it is still so after a while.
                    refused = Some(error);
                    tokio::time::sleep(SETTLE).await;
                    continue;
                }
            }
            break;
        }
    }
}

/// What the files hold now, if it is something else than what was tried last.
fn attempt<S: Source>(source: &S, tried: Tried) -> (Tried, News<S::Output>) {
    match read(source) {
        Ok(files) if tried.as_ref().is_ok_and(|tried| *tried == files) => (tried, None),
        Ok(files) => {
            let built = source.build(&files);
            (Ok(files), Some(built))
        }
        Err(error) => {
            let error = LoadError::from(error);
            let why = Chain(&error).to_string();
            let known = tried.as_ref().is_err_and(|tried| *tried == why);
            (Err(why), (!known).then_some(Err(error)))
        }
    }
}

fn read(source: &impl Source) -> Result<Vec<Contents>, FileError> {
    let paths = source.paths();
    paths.iter().map(|path| Contents::read(path)).collect()
}
