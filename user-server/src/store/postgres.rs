//! The store that replicas share: PostgreSQL, or what speaks its protocol and enough of its dialect.
//!
//! Every wait is bounded: for a connection in number and in time, for a statement by the server, and for
//! the whole call by a clock here, in case that the server does not answer at all.

mod config;
mod news;
mod open;
mod opening;
mod operations;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use opentelemetry::metrics::Meter;
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Transaction};
use tokio::sync::Semaphore;

use self::news::News;
use self::opening::Opening;
use super::metrics::{self, Waits};
use super::sql::{implement_store, transact};
use super::{Error, Imported, Stored};
use crate::domain::{
    Change, Email, Etag, Ids, Page, Position, Query, RequestId, Update, User, UserId,
};

pub use self::config::Config;
pub use self::open::open;

/// What the metrics call the pools.
const CALLS: &str = "calls";
const BACKGROUND: &str = "background";

/// A PostgreSQL database.
#[derive(Clone, Debug)]
pub struct Postgres {
    opening: Opening,
    pool: PgPool,
    background: PgPool,
    news: News,
    /// As many calls as may use a connection or wait for one.
    calls: Arc<Semaphore>,
    call_timeout: Duration,
    waits: Waits,
}

/// As many calls wait for a connection as may.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("too many calls wait for a connection")]
struct TooManyWait;

/// The call was not done in its time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not done within {0:?}")]
struct TimedOut(Duration);

// === impl Postgres ===

impl Postgres {
    fn new(
        opening: Opening,
        pool: PgPool,
        background: PgPool,
        news: News,
        limits: &Config,
    ) -> Self {
        let calls = limits.max_connections.saturating_add(limits.max_waiting);
        Self {
            opening,
            pool,
            background,
            news,
            calls: Arc::new(Semaphore::new(
                usize::try_from(calls).unwrap_or(Semaphore::MAX_PERMITS),
            )),
            call_timeout: limits.call_timeout,
            waits: Waits::default(),
        }
    }

    /// Lets `meter` look at the pools, and at what is heard of other replicas.
    pub(super) fn measure(&self, meter: &Meter) {
        self.waits.measure(meter, [CALLS, BACKGROUND]);
        metrics::observe(meter, CALLS, &self.pool);
        metrics::observe(meter, BACKGROUND, &self.background);
        self.news.measure(meter);
    }

    async fn read(&self) -> Result<PoolConnection<sqlx::Postgres>, Error> {
        self.opening.check()?;
        let (event, connection) = ("connection acquired", self.pool.acquire());
        Ok(self.waits.until(CALLS, event, connection).await?)
    }

    /// A replica that has much to do is not one that lost its database, and needs its cache more than
    /// ever: the check and the feed have connections that calls cannot use up.
    async fn background(&self) -> Result<PoolConnection<sqlx::Postgres>, Error> {
        self.opening.check()?;
        let (event, connection) = ("connection acquired", self.background.acquire());
        Ok(self.waits.until(BACKGROUND, event, connection).await?)
    }

    async fn begin(&self) -> Result<Transaction<'static, sqlx::Postgres>, Error> {
        self.opening.check()?;
        let (event, transaction) = ("transaction begun", self.pool.begin());
        Ok(self.waits.until(CALLS, event, transaction).await?)
    }

    async fn bounded<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let _place = self
            .calls
            .try_acquire()
            .map_err(|_| Error::Unavailable(TooManyWait.into()))?;
        self.in_time(call).await
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::time::timeout(self.call_timeout, call)
            .await
            .map_err(|_| Error::Unavailable(TimedOut(self.call_timeout).into()))?
    }

    fn committed(&self) {
        self.news.publish();
    }

    async fn wait_for_news(&self) {
        self.news.wait().await;
    }

    async fn shut_down(&self) {
        self.opening.stop();
        self.news.stop();
        self.pool.close().await;
        self.background.close().await;
    }
}

implement_store!(Postgres);
