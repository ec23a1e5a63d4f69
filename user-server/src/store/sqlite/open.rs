//! Opens the database and brings its tables up to date, also when several processes do so at once.

use std::error::Error as StdError;
use std::str::FromStr as _;
use std::time::{Duration, Instant};

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, SqliteConnection};

use super::Sqlite;

use crate::store::sql::failure::is_busy;
use crate::store::{Config, OpenError};

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sqlite");

/// How long to wait before another try while another process holds the database.
const RETRY: Duration = Duration::from_millis(20);

/// Opens the database that the configuration names, creates the file when it is missing, and runs
/// the migrations that are missing.
///
/// # Errors
/// When the URL is not one of SQLite's, the file cannot be opened, or holds tables of another or a
/// newer program.
pub async fn open(config: &Config) -> Result<Sqlite, OpenError> {
    let options = SqliteConnectOptions::from_str(config.url.expose())
        .map_err(|error| OpenError::Url(error.into()))?
        .create_if_missing(true)
        .foreign_keys(true)
        .busy_timeout(config.busy_timeout);

    if config.is_in_memory() {
        return open_memory(options, config).await;
    }

    let options = options
        .journal_mode(SqliteJournalMode::Wal)
        // In WAL mode a crash of the process loses nothing; FULL keeps that true when the power
        // fails, for an acknowledged write is a promise.
        .synchronous(SqliteSynchronous::Full);
    migrate_file(&options, config.busy_timeout).await?;

    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(config.busy_timeout)
        .connect_with(options.clone())
        .await
        .map_err(|error| OpenError::Connect(error.into()))?;
    let readers = SqlitePoolOptions::new()
        .max_connections(config.max_readers)
        .acquire_timeout(config.busy_timeout)
        .connect_lazy_with(options);
    Ok(Sqlite::new(readers, writer, None))
}

/// One connection reads and writes, for two of one process that share a cache fail on each other's locks
/// and do not wait; a second one only keeps the database.
async fn open_memory(options: SqliteConnectOptions, config: &Config) -> Result<Sqlite, OpenError> {
    let options = options.shared_cache(true);
    let only = SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(config.busy_timeout);
    let connect = |error: sqlx::Error| OpenError::Connect(error.into());
    let keeper = only
        .clone()
        .connect_with(options.clone())
        .await
        .map_err(connect)?;
    let pool = only.connect_with(options).await.map_err(connect)?;
    MIGRATIONS
        .run(&pool)
        .await
        .map_err(|error| OpenError::Migrate(error.into()))?;
    Ok(Sqlite::new(pool.clone(), pool, Some(keeper)))
}

/// Migrates a file under its write lock, so that of several processes one does it and the others find
/// it done. Switching a new file to WAL does not honour the busy timeout, hence the tries.
async fn migrate_file(options: &SqliteConnectOptions, patience: Duration) -> Result<(), OpenError> {
    let start = Instant::now();
    loop {
        match try_migrate(options).await {
            Err(error) if is_transient(&error) && start.elapsed() < patience => {
                tokio::time::sleep(RETRY).await;
            }
            result => return result,
        }
    }
}

async fn try_migrate(options: &SqliteConnectOptions) -> Result<(), OpenError> {
    let connect = |error: sqlx::Error| OpenError::Connect(error.into());
    let migrate = |error: sqlx::Error| OpenError::Migrate(error.into());

    let mut connection = SqliteConnection::connect_with(options)
        .await
        .map_err(connect)?;
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(migrate)?;
    MIGRATIONS
        .run_direct(None, &mut *transaction, false)
        .await
        .map_err(|error| OpenError::Migrate(error.into()))?;
    transaction.commit().await.map_err(migrate)?;
    connection.close().await.map_err(migrate)
}

/// Whether the database was busy, however deep the driver's error is.
fn is_transient(error: &OpenError) -> bool {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(sqlx::Error::Database(database)) = error.downcast_ref() {
            return is_busy(database.code().as_deref());
        }
        next = error.source();
    }
    false
}
