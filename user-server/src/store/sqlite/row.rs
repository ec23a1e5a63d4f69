//! Rows ⇄ domain types, and SQLite's errors by what a caller can do about them.

use jiff::Timestamp;
use sqlx::FromRow;
use sqlx::error::ErrorKind;

use crate::domain::{Age, User};
use crate::store::Error;

/// SQLite's primary result codes that say "not now": BUSY, LOCKED, IOERR, FULL, CANTOPEN
/// (<https://www.sqlite.org/rescode.html>).
const NOT_NOW: [i32; 5] = [5, 6, 10, 13, 14];

/// One row of the table.
#[derive(Debug, FromRow)]
pub(super) struct Row {
    id: String,
    display_name: String,
    email: String,
    age: Option<i64>,
    create_time: i64,
    update_time: i64,
    revision: i64,
}

/// What went wrong.
pub(super) fn error(error: sqlx::Error) -> Error {
    let is_transient = match &error {
        sqlx::Error::Database(error) => is_busy(error.code().as_deref()),
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => true,
        _ => false,
    };
    if is_transient {
        Error::Unavailable(error.into())
    } else {
        Error::Failed(error.into())
    }
}

/// The same for the insertion of a row, whose only unique column besides the id is the address.
pub(super) fn insert_error(source: sqlx::Error) -> Error {
    match &source {
        sqlx::Error::Database(database) if database.kind() == ErrorKind::UniqueViolation => {
            Error::EmailTaken
        }
        _ => error(source),
    }
}

/// Whether an extended result code's primary one, its lowest byte, says "not now".
pub(super) fn is_busy(code: Option<&str>) -> bool {
    code.and_then(|code| code.parse::<i32>().ok())
        .is_some_and(|code| NOT_NOW.contains(&(code & 0xff)))
}

// === impl Row ===

impl TryFrom<Row> for User {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let corrupt = |column| Error::Corrupt {
            id: row.id.clone(),
            column,
        };
        let time = |column, value| Timestamp::from_microsecond(value).map_err(|_| corrupt(column));
        let age = |years| {
            i32::try_from(years)
                .ok()
                .and_then(|years| Age::try_from(years).ok())
                .ok_or_else(|| corrupt("age"))
        };
        Ok(Self {
            id: row.id.parse().map_err(|_| corrupt("id"))?,
            display_name: row
                .display_name
                .parse()
                .map_err(|_| corrupt("display_name"))?,
            email: row.email.parse().map_err(|_| corrupt("email"))?,
            age: row.age.map(age).transpose()?,
            create_time: time("create_time", row.create_time)?,
            update_time: time("update_time", row.update_time)?,
            revision: u32::try_from(row.revision).map_err(|_| corrupt("revision"))?,
        })
    }
}
