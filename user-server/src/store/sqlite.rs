//! The embedded store: SQLite, in a file that replicas on one machine can share, or in memory.
//!
//! SQLite lets one connection write while others read (WAL). There is one writing connection, so that
//! calls of this process queue for it in memory instead of failing on the lock; other processes are
//! waited for by the busy timeout, which is also what bounds every call.
//!
//! Writes of this process are news at once. SQLite cannot tell of those of other processes: they are
//! found by whoever asks from time to time.

mod open;
mod operations;

use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use opentelemetry::metrics::Meter;
use sqlx::pool::PoolConnection;
use sqlx::{SqlitePool, Transaction};
use tokio::sync::Notify;

use super::metrics::{self, Waits};
use super::sql::{implement_store, transact};
use super::{Error, Imported, Stored};
use crate::domain::{
    Change, Email, Etag, Ids, Page, Position, Query, RequestId, Update, User, UserId,
};

pub use self::open::open;

/// What the metrics call the pools.
const READERS: &str = "readers";
const WRITER: &str = "writer";

/// A SQLite database.
#[derive(Clone, Debug)]
pub struct Sqlite {
    readers: SqlitePool,
    writer: SqlitePool,
    /// A connection that no call ever holds, for a database in memory: it is gone with its last
    /// connection, and the pools close theirs when a call is cut off in the middle of a statement.
    keeper: Option<SqlitePool>,
    news: Arc<Notify>,
    waits: Waits,
}

// === impl Sqlite ===

impl Sqlite {
    fn new(readers: SqlitePool, writer: SqlitePool, keeper: Option<SqlitePool>) -> Self {
        Self {
            readers,
            writer,
            keeper,
            news: Arc::new(Notify::new()),
            waits: Waits::default(),
        }
    }

    /// Lets `meter` look at the pools.
    pub(super) fn measure(&self, meter: &Meter) {
        self.waits.measure(meter, [READERS, WRITER]);
        metrics::observe(meter, READERS, &self.readers);
        metrics::observe(meter, WRITER, &self.writer);
    }

    async fn read(&self) -> Result<PoolConnection<sqlx::Sqlite>, Error> {
        let (event, connection) = ("connection acquired", self.readers.acquire());
        Ok(self.waits.until(READERS, event, connection).await?)
    }

    /// Readers wait for nobody, so that there is no need for more.
    async fn background(&self) -> Result<PoolConnection<sqlx::Sqlite>, Error> {
        self.read().await
    }

    /// IMMEDIATE takes the write lock first: a transaction that starts by reading and writes later
    /// cannot wait for another process, it fails.
    async fn begin(&self) -> Result<Transaction<'static, sqlx::Sqlite>, Error> {
        let transaction = self.writer.begin_with("BEGIN IMMEDIATE");
        let event = "transaction begun";
        Ok(self.waits.until(WRITER, event, transaction).await?)
    }

    async fn bounded<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.in_time(call).await
    }

    /// The waits for a connection and for the lock are bounded already, and nothing else waits.
    async fn in_time<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        call.await
    }

    fn committed(&self) {
        self.news.notify_one();
    }

    async fn wait_for_news(&self) {
        self.news.notified().await;
    }

    async fn shut_down(&self) {
        self.readers.close().await;
        self.writer.close().await;
        if let Some(keeper) = &self.keeper {
            keeper.close().await;
        }
    }
}

implement_store!(Sqlite);
