//! What every store promises, once for SQLite and once for PostgreSQL.

mod changes;
mod import;
mod memory;
mod requests;
mod resources;

use std::time::Duration;

use jiff::Timestamp;
use service_runtime::settings::CredentialUrl;
use user_server::domain::{Draft, NewUser, Update, UpdateDraft, User, UserId};
use user_server::store::{Config, Database};
use uuid::Uuid;

/// An empty database.
pub(crate) struct Fixture {
    config: Config,
    /// A first replica's.
    pub(crate) store: Database,
    _folder: Option<tempfile::TempDir>,
}

/// Turns functions over a [`Fixture`] into one test for each database.
macro_rules! on_both_stores {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name($crate::store::Fixture::sqlite().await).await;
            })*
        }

        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                if let Some(fixture) = $crate::store::Fixture::postgres().await {
                    super::$name(fixture).await;
                }
            })*
        }
    };
}

pub(crate) use on_both_stores;

/// A new one with this address.
pub(crate) fn new(email: &str) -> User {
    named("Ada Lovelace", email)
}

pub(crate) fn named(display_name: &str, email: &str) -> User {
    let new = NewUser::parse(Draft {
        display_name,
        email,
        age: Some(36),
    })
    .unwrap();
    User::create(new, UserId::new(Uuid::now_v7()), Timestamp::now())
}

/// An update of the populated fields.
pub(crate) fn update(id: UserId, etag: &str, values: Draft<'_>) -> Update {
    Update::parse(UpdateDraft {
        id: &id.to_string(),
        etag,
        values,
        mask: &[],
    })
    .unwrap()
}

pub(crate) fn sqlite_url(folder: &tempfile::TempDir) -> String {
    format!("sqlite://{}", folder.path().join("x.sqlite").display())
}

/// A loaded machine may be slow, and no test is about these limits.
pub(crate) fn config(url: &str) -> Config {
    Config {
        url: CredentialUrl::parse(url).unwrap(),
        busy_timeout: Duration::from_secs(30),
        postgres: user_server::store::postgres::Config {
            acquire_timeout: Duration::from_secs(30),
            statement_timeout: Duration::from_secs(30),
            call_timeout: Duration::from_mins(1),
            ..user_server::store::postgres::Config::default()
        },
        ..Config::default()
    }
}

// === impl Fixture ===

impl Fixture {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&sqlite_url(&folder));
        Self::open(config, Some(folder)).await
    }

    pub(crate) async fn postgres() -> Option<Self> {
        let url = crate::postgres::database().await?;
        Some(Self::open(config(&url), None).await)
    }

    async fn open(config: Config, folder: Option<tempfile::TempDir>) -> Self {
        Self {
            store: Database::open(&config).await.unwrap(),
            config,
            _folder: folder,
        }
    }

    /// Another replica's store on the same database.
    pub(crate) async fn another(&self) -> Database {
        Database::open(&self.config).await.unwrap()
    }
}
