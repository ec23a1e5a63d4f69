//! Where users are kept: the trait, and the databases behind it.
//!
//! A store keeps and finds what it is given; what is valid is [`crate::domain`]'s, and what a caller
//! is told is [`crate::rpc`]'s.
//!
//! Every write is also a [`Change`] with a [`Position`]. The positions are in the order of the commits
//! and have no gaps, so that whoever has read up to one has missed nothing before it
//! (docs/adr/0008-the-order-of-changes.md).

mod config;
mod database;
mod error;
mod metrics;
pub mod postgres;
mod sql;
pub mod sqlite;
mod traced;

use std::future::Future;

use jiff::Timestamp;

pub use self::config::Config;
pub use self::database::Database;
pub use self::error::{Error, OpenError, Source};
pub use self::traced::Traced;
use crate::domain::{
    Change, Email, Etag, Ids, Page, Position, Query, RequestId, Update, User, UserId,
};

/// What every store does. Clones share the database.
///
/// Each call is bounded in time: [`Error::Unavailable`] comes when the database does not answer. A
/// dropped write may or may not have happened, but never in part.
pub trait Store: Clone + Send + Sync + 'static {
    /// Finds one by its id.
    fn get(&self, id: UserId) -> impl Future<Output = Result<Option<Stored>, Error>> + Send;

    /// Finds one by its e-mail address, without regard to case.
    fn find_by_email(
        &self,
        email: &Email,
    ) -> impl Future<Output = Result<Option<User>, Error>> + Send;

    /// Finds several, each once, in any order.
    fn batch_get(&self, ids: &Ids) -> impl Future<Output = Result<Vec<User>, Error>> + Send;

    /// One page, in the order of the ids, which is that of creation.
    fn list(&self, query: &Query) -> impl Future<Output = Result<Page, Error>> + Send;

    /// Keeps a new one. With a `request` that was seen before, nothing is kept, and the change that the
    /// first call made is returned, whatever became of it since, for as long as changes are kept.
    /// [`Error::EmailTaken`] when another one has the address.
    fn create(
        &self,
        user: &User,
        request: Option<RequestId>,
    ) -> impl Future<Output = Result<Change, Error>> + Send;

    /// Changes one. [`Error::NotFound`], [`Error::EtagMismatch`] or [`Error::EmailTaken`] when it cannot
    /// be.
    fn update(
        &self,
        update: &Update,
        now: Timestamp,
    ) -> impl Future<Output = Result<Change, Error>> + Send;

    /// Deletes one, with `etag` only if that is its version. [`Error::NotFound`] or
    /// [`Error::EtagMismatch`] when it cannot be.
    fn delete(
        &self,
        id: UserId,
        etag: Option<&Etag>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Change, Error>> + Send;

    /// Keeps new ones, all in one transaction. An address that is taken, also by an earlier one of the
    /// batch, refuses only the one that has it. Returns what became of each, in their order.
    ///
    /// At most [`IMPORT_MAX`] at a time.
    fn import(&self, users: &[User]) -> impl Future<Output = Result<Vec<Imported>, Error>> + Send;

    /// The position of the last change.
    fn head(&self) -> impl Future<Output = Result<Position, Error>> + Send;

    /// The changes after a position, in their order, at most `limit` of them. [`Error::Pruned`] when they
    /// are not kept any more, or the position was never reached.
    fn changes(
        &self,
        after: Position,
        limit: u16,
    ) -> impl Future<Output = Result<Vec<Change>, Error>> + Send;

    /// The same for the one reader in this process that the others depend on: it does not compete with
    /// calls, and is not refused when there are too many.
    fn follow(
        &self,
        after: Position,
        limit: u16,
    ) -> impl Future<Output = Result<Vec<Change>, Error>> + Send;

    /// One page of those that did not change after `head`, in the order of their ids. What is missing for
    /// the state as of `head` changed since, and therefore stands in the changes after `head`.
    fn unchanged_since(
        &self,
        head: Position,
        after: Option<UserId>,
        limit: u16,
    ) -> impl Future<Output = Result<Vec<User>, Error>> + Send;

    /// Forgets the oldest changes, and the requests that made them, as far as they were made before
    /// `horizon`, at most `limit` of them. Returns how many.
    fn prune(
        &self,
        horizon: Timestamp,
        limit: u16,
    ) -> impl Future<Output = Result<usize, Error>> + Send;

    /// Waits until there may be new changes: always after a write of this store, and after the writes of
    /// others as far as the database tells. For one waiter. Cancel-safe.
    fn news(&self) -> impl Future<Output = ()> + Send;

    /// Whether the database answers.
    fn ping(&self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Closes the connections, when nobody uses the store any more.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// The most that [`Store::import`] takes: a batch is one statement, and both databases limit what one
/// statement may carry (SQLite: 32,766 values).
pub const IMPORT_MAX: usize = 1000;

/// What is kept, and as of when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The resource.
    pub user: User,
    /// Its last change.
    pub position: Position,
}

/// What became of one of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It is kept.
    Created,
    /// Another one has the address.
    EmailTaken,
}
