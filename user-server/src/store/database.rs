//! The database that the settings name.

use jiff::Timestamp;
use opentelemetry::metrics::Meter;

use super::postgres::{self, Postgres};
use super::sqlite::{self, Sqlite};
use super::{Config, Error, Imported, OpenError, Store, Stored};
use crate::domain::{
    Change, Email, Etag, Ids, Page, Position, Query, RequestId, Update, User, UserId,
};

/// One of the databases, chosen by the scheme of its URL.
#[derive(Clone, Debug)]
pub enum Database {
    /// Embedded.
    Sqlite(Sqlite),
    /// Shared.
    Postgres(Postgres),
}

/// Passes a call on to whichever it is. Boxed, because the drivers' futures are large, and a call that
/// needs none should not carry room for two.
macro_rules! delegate {
    ($self:ident, $store:ident => $call:expr) => {
        match $self {
            Self::Sqlite($store) => Box::pin($call).await,
            Self::Postgres($store) => Box::pin($call).await,
        }
    };
}

// === impl Database ===

impl Database {
    /// Opens the database that the configuration names, and brings its tables up to date. Must be called
    /// on a tokio runtime.
    ///
    /// # Errors
    /// When it cannot be reached, or holds something else.
    pub async fn open(config: &Config) -> Result<Self, OpenError> {
        match config.url.scheme() {
            "sqlite" => sqlite::open(config).await.map(Self::Sqlite),
            // Any other scheme is refused by the driver.
            _ => postgres::open(config).await.map(Self::Postgres),
        }
    }

    /// The database's name in OpenTelemetry's list of `db.system.name`.
    #[must_use]
    pub fn system(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgresql",
        }
    }

    /// Lets `meter` look at the connections, for as long as its provider lives.
    pub fn measure(&self, meter: &Meter) {
        match self {
            Self::Sqlite(store) => store.measure(meter),
            Self::Postgres(store) => store.measure(meter),
        }
    }
}

impl Store for Database {
    async fn get(&self, id: UserId) -> Result<Option<Stored>, Error> {
        delegate!(self, it => it.get(id))
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, Error> {
        delegate!(self, it => it.find_by_email(email))
    }

    async fn batch_get(&self, ids: &Ids) -> Result<Vec<User>, Error> {
        delegate!(self, it => it.batch_get(ids))
    }

    async fn list(&self, query: &Query) -> Result<Page, Error> {
        delegate!(self, it => it.list(query))
    }

    async fn create(&self, user: &User, request: Option<RequestId>) -> Result<Change, Error> {
        delegate!(self, it => it.create(user, request))
    }

    async fn update(&self, update: &Update, now: Timestamp) -> Result<Change, Error> {
        delegate!(self, it => it.update(update, now))
    }

    async fn delete(
        &self,
        id: UserId,
        etag: Option<&Etag>,
        now: Timestamp,
    ) -> Result<Change, Error> {
        delegate!(self, it => it.delete(id, etag, now))
    }

    async fn import(&self, users: &[User]) -> Result<Vec<Imported>, Error> {
        delegate!(self, it => it.import(users))
    }

    async fn head(&self) -> Result<Position, Error> {
        delegate!(self, it => it.head())
    }

    async fn changes(&self, after: Position, limit: u16) -> Result<Vec<Change>, Error> {
        delegate!(self, it => it.changes(after, limit))
    }

    async fn follow(&self, after: Position, limit: u16) -> Result<Vec<Change>, Error> {
        delegate!(self, it => it.follow(after, limit))
    }

    async fn unchanged_since(
        &self,
        head: Position,
        after: Option<UserId>,
        limit: u16,
    ) -> Result<Vec<User>, Error> {
        delegate!(self, it => it.unchanged_since(head, after, limit))
    }

    async fn prune(&self, horizon: Timestamp, limit: u16) -> Result<usize, Error> {
        delegate!(self, it => it.prune(horizon, limit))
    }

    async fn ping(&self) -> Result<(), Error> {
        delegate!(self, it => it.ping())
    }

    async fn news(&self) {
        delegate!(self, it => it.news());
    }

    async fn close(&self) {
        delegate!(self, it => it.close());
    }
}
