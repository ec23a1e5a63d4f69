//! Connects, and brings the tables up to date, also when several replicas do so at once.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;

use super::opening::Opening;
use super::{Postgres, news};
use crate::store::{Config, OpenError};

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/postgres");

/// How long a migration may take, and the wait for another replica that migrates.
const MIGRATION: Duration = Duration::from_mins(5);

/// How long a connection may be unused before it is asked whether it still works when it is next used.
/// One that was used a moment ago needs no further round trip; after a restart of the database the few
/// that look healthy and are not cost one failed call each.
const TRUSTED: Duration = Duration::from_secs(1);

/// One listens, one tells and checks, one follows.
const BACKGROUND: u32 = 3;

/// Connects to the database that the configuration names, and runs the migrations that are missing.
/// What the URL leaves open is taken from `PGHOST` and its kin, as every PostgreSQL client does.
///
/// A database that is not there yet is waited for in the background; until then every call is
/// [`Error::Unavailable`](crate::store::Error::Unavailable).
///
/// # Errors
/// When waiting would not help: the URL is not one of PostgreSQL's, the database does not let this
/// program in, is not the one that TLS was to verify, or holds tables of another or a newer program.
pub async fn open(config: &Config) -> Result<Postgres, OpenError> {
    let limits = &config.postgres;
    let options = PgConnectOptions::from_str(config.url.expose())
        .map_err(|error| OpenError::Url(error.into()))?
        .application_name(env!("CARGO_PKG_NAME"));
    let opening = Opening::start(options.clone(), limits.acquire_timeout).await?;

    let milliseconds = limits.statement_timeout.as_millis().to_string();
    // The second one ends the transaction of a replica that stopped in the middle of it: it holds the
    // lock that every writer of every replica needs.
    let limited = options.options([
        ("statement_timeout", &*milliseconds),
        ("idle_in_transaction_session_timeout", &*milliseconds),
    ]);
    let pool = PgPoolOptions::new()
        .max_connections(limits.max_connections)
        .acquire_timeout(limits.acquire_timeout)
        .max_lifetime(limits.max_lifetime)
        .idle_timeout(limits.idle_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move { Ok(meta.idle_for < TRUSTED || connection.ping().await.is_ok()) })
        })
        .connect_lazy_with(limited.clone());
    let background = PgPoolOptions::new()
        .max_connections(BACKGROUND)
        .acquire_timeout(limits.acquire_timeout)
        .connect_lazy_with(limited);
    let news = news::start(&background, limits.notifications);
    Ok(Postgres::new(opening, pool, background, news, limits))
}

/// Migrates under an advisory lock, so that of several replicas one does it and the others find it done.
/// On a connection of its own: neither may a statement timeout cut it off, nor may it hold one that
/// calls need.
pub(super) async fn migrate(
    options: &PgConnectOptions,
    patience: Duration,
) -> Result<(), OpenError> {
    let mut connection = timeout(patience, PgConnection::connect_with(options))
        .await
        .map_err(|elapsed| OpenError::Connect(elapsed.into()))?
        .map_err(|error| OpenError::Connect(error.into()))?;
    timeout(
        MIGRATION,
        MIGRATIONS.run_direct(None, &mut connection, false),
    )
    .await
    .map_err(|elapsed| OpenError::Migrate(elapsed.into()))?
    .map_err(|error| OpenError::Migrate(error.into()))?;
    connection
        .close()
        .await
        .map_err(|error| OpenError::Migrate(error.into()))
}
