//! What happens until the database is there and its tables are up to date.
//!
//! In a cluster everything starts at once, and nobody promises that the database comes first. A replica
//! that exits meanwhile is started again later and later by the kubelet (its back-off goes up to five
//! minutes), so this one stays: alive, not ready, and open within two seconds once the database is.

use std::sync::{Arc, RwLock, RwLockReadGuard};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::open::migrate;
use crate::store::{Error, OpenError};

/// From one attempt to the next one; twice as long each time, up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Whether calls can begin. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Opening {
    /// Why not yet.
    obstacle: Arc<RwLock<Option<Arc<OpenError>>>>,
    task: Option<Arc<AbortOnDropHandle<()>>>,
}

/// The tables are not up to date yet.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the database was not there when this replica started, and is still waited for")]
struct NotOpen(#[source] Arc<OpenError>);

// === impl Opening ===

impl Opening {
    /// Tries once. When the database is not there it goes on trying in the background.
    ///
    /// # Errors
    /// When waiting would not help: see [`OpenError::is_passing`].
    pub(super) async fn start(
        options: PgConnectOptions,
        patience: Duration,
    ) -> Result<Self, OpenError> {
        let mut opening = Self::default();
        match migrate(&options, patience).await {
            Ok(()) => {}
            Err(error) if error.is_passing() => {
                let cause: &dyn std::error::Error = &error;
                tracing::warn!(
                    error = cause,
                    "the database is not there; waiting for it, and answering UNAVAILABLE"
                );
                opening.set(Some(error));
                let task = tokio::spawn(opening.clone().go_on(options, patience));
                opening.task = Some(Arc::new(AbortOnDropHandle::new(task)));
            }
            Err(error) => return Err(error),
        }
        Ok(opening)
    }

    /// Whether calls can begin.
    pub(super) fn check(&self) -> Result<(), Error> {
        match &*self.obstacle() {
            None => Ok(()),
            Some(obstacle) => Err(Error::Unavailable(NotOpen(obstacle.clone()).into())),
        }
    }

    /// Gives up.
    pub(super) fn stop(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }

    async fn go_on(self, options: PgConnectOptions, patience: Duration) {
        let mut pause = SHORTEST_PAUSE;
        loop {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            match migrate(&options, patience).await {
                Ok(()) => {
                    tracing::info!("the database is there, and its tables are up to date");
                    return self.set(None);
                }
                // Readiness shows it; an operator may still mend it without a restart.
                Err(error) => self.set(Some(error)),
            }
        }
    }

    fn set(&self, obstacle: Option<OpenError>) {
        let mut guard = self
            .obstacle
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *guard = obstacle.map(Arc::new);
    }

    fn obstacle(&self) -> RwLockReadGuard<'_, Option<Arc<OpenError>>> {
        self.obstacle
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
