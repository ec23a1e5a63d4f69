//! Where users are kept: the trait, and the databases behind it.
//!
//! A store keeps and finds what it is given; what is valid is [`crate::domain`]'s, and what a caller
//! is told is [`crate::rpc`]'s.

pub mod sqlite;

use std::error::Error as StdError;
use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use service_runtime::settings::{CredentialUrl, Violations};

use crate::domain::{Page, Query, RequestId, User, UserId};

/// Which database, and how it is used.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `sqlite::memory:` (the default: nothing is left behind, and everything is lost at the end) or
    /// `sqlite://FILE` (created when it is missing; several replicas on one machine can share it).
    pub url: CredentialUrl,
    /// How many connections read at the same time. A database in memory has one connection.
    pub max_readers: u32,
    /// How long a call waits for a connection, or for another process's write, before it is
    /// UNAVAILABLE.
    #[serde(with = "service_runtime::settings::duration")]
    pub busy_timeout: Duration,
}

/// What every store does. Clones share the database.
pub trait Store: Clone + Send + Sync + 'static {
    /// Finds one by its id.
    fn get(&self, id: UserId) -> impl Future<Output = Result<Option<User>, Error>> + Send;

    /// Keeps a new one, and returns what is kept: with a `request` that was seen before, the one that
    /// the first call made. [`Error::EmailTaken`] when another one has the address.
    ///
    /// Not cancel-safe in the sense that a dropped call may have kept it; a `request` tells.
    fn create(
        &self,
        user: User,
        request: Option<RequestId>,
    ) -> impl Future<Output = Result<User, Error>> + Send;

    /// One page, in the order of the ids, which is that of creation.
    fn list(&self, query: Query) -> impl Future<Output = Result<Page, Error>> + Send;

    /// Whether the database answers.
    fn ping(&self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Closes the connections, when nobody uses the store any more.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// Why a store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another one has this e-mail address.
    #[error("the e-mail address is taken")]
    EmailTaken,
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

// === impl Config ===

impl Config {
    /// Checks what the types cannot.
    pub fn validate(&self, violations: &mut Violations) {
        violations.expect(
            self.url.scheme() == "sqlite",
            "url",
            "sqlite::memory: or sqlite://FILE",
        );
        violations.expect(self.max_readers > 0, "max_readers", "at least 1");
        violations.expect(
            !self.busy_timeout.is_zero(),
            "busy_timeout",
            "more than zero",
        );
    }

    /// Whether everything is lost when the process ends.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        let url = self.url.expose();
        url.contains(":memory:") || url.contains("mode=memory")
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: CredentialUrl::from_static("sqlite::memory:"),
            max_readers: 4,
            busy_timeout: Duration::from_secs(5),
        }
    }
}
