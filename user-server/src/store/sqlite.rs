//! The embedded store: SQLite, in a file that replicas on one machine can share, or in memory.
//!
//! SQLite lets one connection write while others read (WAL). There is one writing connection, so that
//! calls of this process queue for it in memory instead of failing on the lock; other processes are
//! waited for by the busy timeout.

mod open;
mod row;

use sqlx::SqlitePool;

use self::row::Row;
use super::{Error, Store};
use crate::domain::{Page, Query, RequestId, User, UserId};

pub use self::open::open;

const COLUMNS_BY_ID: &str = "SELECT id, display_name, email, age, create_time, update_time, revision \
                             FROM users WHERE id = ?";

const COLUMNS_BY_REQUEST: &str = "SELECT id, display_name, email, age, create_time, update_time, revision \
     FROM users WHERE id = (SELECT user_id FROM create_requests WHERE request_id = ?)";

const INSERT: &str = "INSERT INTO users \
                      (id, display_name, email, email_key, age, create_time, update_time, revision) \
                      VALUES (?, ?, ?, ?, ?, ?, ?, ?)";

const INSERT_REQUEST: &str = "INSERT INTO create_requests (request_id, user_id) VALUES (?, ?)";

const PAGE: &str = "SELECT id, display_name, email, age, create_time, update_time, revision \
                    FROM users WHERE id > ? AND substr(display_name, 1, ?) = ? \
                    ORDER BY id LIMIT ?";

/// A SQLite database.
#[derive(Clone, Debug)]
pub struct Sqlite {
    readers: SqlitePool,
    writer: SqlitePool,
}

// === impl Sqlite ===

impl Store for Sqlite {
    async fn get(&self, id: UserId) -> Result<Option<User>, Error> {
        let row: Option<Row> = sqlx::query_as(COLUMNS_BY_ID)
            .bind(id.to_string())
            .fetch_optional(&self.readers)
            .await
            .map_err(row::error)?;
        row.map(User::try_from).transpose()
    }

    async fn create(&self, user: User, request: Option<RequestId>) -> Result<User, Error> {
        // IMMEDIATE takes the write lock first: a transaction that starts by reading and writes later
        // cannot wait for another process, it fails.
        let mut transaction = self
            .writer
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(row::error)?;

        if let Some(request) = request {
            let first: Option<Row> = sqlx::query_as(COLUMNS_BY_REQUEST)
                .bind(request.to_string())
                .fetch_optional(&mut *transaction)
                .await
                .map_err(row::error)?;
            if let Some(first) = first {
                return first.try_into();
            }
        }

        sqlx::query(INSERT)
            .bind(user.id.to_string())
            .bind(user.display_name.as_str())
            .bind(user.email.as_str())
            .bind(user.email.key())
            .bind(user.age.map(|age| i64::from(age.years())))
            .bind(user.create_time.as_microsecond())
            .bind(user.update_time.as_microsecond())
            .bind(i64::from(user.revision))
            .execute(&mut *transaction)
            .await
            .map_err(row::insert_error)?;
        if let Some(request) = request {
            sqlx::query(INSERT_REQUEST)
                .bind(request.to_string())
                .bind(user.id.to_string())
                .execute(&mut *transaction)
                .await
                .map_err(row::error)?;
        }
        transaction.commit().await.map_err(row::error)?;
        Ok(user)
    }

    async fn list(&self, query: Query) -> Result<Page, Error> {
        // Every id is greater than the empty text.
        let after = query.after.map(|id| id.to_string()).unwrap_or_default();
        let prefix = query.prefix.as_str();
        let length = i64::try_from(prefix.chars().count()).unwrap_or(i64::MAX);
        let rows: Vec<Row> = sqlx::query_as(PAGE)
            .bind(after)
            .bind(length)
            .bind(prefix)
            .bind(i64::from(query.rows()))
            .fetch_all(&self.readers)
            .await
            .map_err(row::error)?;
        let users = rows
            .into_iter()
            .map(User::try_from)
            .collect::<Result<_, _>>()?;
        Ok(query.page(users))
    }

    async fn ping(&self) -> Result<(), Error> {
        sqlx::query("SELECT 1 FROM users LIMIT 1")
            .execute(&self.readers)
            .await
            .map(drop)
            .map_err(row::error)
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}
