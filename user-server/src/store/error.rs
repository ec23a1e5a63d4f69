//! Why a store could not do it, by what a caller can do about it.

use std::error::Error as StdError;

use sqlx::migrate::MigrateError;
use tokio::time::error::Elapsed;

use super::sql::failure;

/// Why a store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another one has this e-mail address.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// There is none with this id.
    #[error("there is none with this id")]
    NotFound,
    /// It has another version.
    #[error("the version is not the current one")]
    EtagMismatch,
    /// The changes after this position are not kept.
    #[error("the changes after this position are not kept")]
    Pruned,
    /// Another transaction was faster, again and again; nothing was changed.
    #[error("other transactions were faster")]
    Contended(#[source] Option<Source>),
    /// The database does not answer now, or is busy; later it may.
    #[error("the store is not available")]
    Unavailable(#[source] Source),
    /// The database refused something that it should not have.
    #[error("the store failed")]
    Failed(#[source] Source),
    /// What the database holds is not valid.
    #[error("the store holds an invalid {column} of {id}")]
    Corrupt {
        /// Whose.
        id: String,
        /// Which column.
        column: &'static str,
    },
}

/// What a database's driver reported.
pub type Source = Box<dyn StdError + Send + Sync>;

/// The store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL does not name a database that this one can open.
    #[error("the store's URL cannot be used")]
    Url(#[source] Source),
    /// It could not be opened.
    #[error("the database cannot be opened")]
    Connect(#[source] Source),
    /// Its tables could not be brought up to date.
    #[error("the database's tables cannot be brought up to date")]
    Migrate(#[source] Source),
}

// === impl OpenError ===

impl OpenError {
    /// Whether the database may be there later: it does not answer, or is starting or stopping, or has
    /// no connection left. What has to be mended first (a password, a certificate, the tables of another
    /// program) is not passing.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Url(_) => false,
            Self::Connect(source) | Self::Migrate(source) => is_passing(&**source),
        }
    }
}

fn is_passing(source: &(dyn StdError + Send + Sync + 'static)) -> bool {
    if let Some(error) = source.downcast_ref::<sqlx::Error>() {
        return failure::is_passing(error);
    }
    match source.downcast_ref::<MigrateError>() {
        Some(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
            failure::is_passing(error)
        }
        Some(_) => false,
        None => source.is::<Elapsed>(),
    }
}
