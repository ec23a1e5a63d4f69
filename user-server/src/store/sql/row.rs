//! Rows ⇄ domain types.

use jiff::Timestamp;
use sqlx::FromRow;
use uuid::Uuid;

use crate::domain::{Age, Change, ChangeKind, Position, User, UserId};
use crate::store::{Error, Stored};

/// What an id is in a column: a text in SQLite, a UUID in PostgreSQL.
pub(in crate::store) trait Id: ToString + Sized {
    /// As it is kept.
    fn of(id: Uuid) -> Self;

    /// As it was kept; `None` when that was by somebody else.
    fn read(&self) -> Option<UserId>;
}

/// One resource.
#[derive(Debug, FromRow)]
pub(in crate::store) struct Row<I> {
    id: I,
    display_name: String,
    email: String,
    age: Option<i64>,
    create_time: i64,
    update_time: i64,
    revision: i64,
}

/// One resource, and the position of its last change.
#[derive(Debug, FromRow)]
pub(in crate::store) struct StoredRow<I> {
    #[sqlx(flatten)]
    row: Row<I>,
    seq: i64,
}

/// One change.
#[derive(Debug, FromRow)]
pub(in crate::store) struct ChangeRow<I> {
    #[sqlx(flatten)]
    row: Row<I>,
    seq: i64,
    kind: i64,
}

/// A position as a column keeps it; 2⁶³ changes are never reached.
pub(in crate::store) fn seq(position: Position) -> i64 {
    i64::try_from(position.get()).unwrap_or(i64::MAX)
}

/// A position as a column kept it.
pub(in crate::store) fn position(seq: i64) -> Position {
    Position::new(u64::try_from(seq).unwrap_or(0))
}

/// A kind as a column keeps it.
pub(in crate::store) fn kind(kind: ChangeKind) -> i64 {
    match kind {
        ChangeKind::Added => 1,
        ChangeKind::Updated => 2,
        ChangeKind::Deleted => 3,
    }
}

// === impl Id ===

impl Id for String {
    fn of(id: Uuid) -> Self {
        id.hyphenated().to_string()
    }

    fn read(&self) -> Option<UserId> {
        self.parse().ok()
    }
}

impl Id for Uuid {
    fn of(id: Uuid) -> Self {
        id
    }

    fn read(&self) -> Option<UserId> {
        Some(UserId::new(*self))
    }
}

// === impl Row ===

impl<I: Id> TryFrom<Row<I>> for User {
    type Error = Error;

    fn try_from(row: Row<I>) -> Result<Self, Error> {
        let corrupt = |column| Error::Corrupt {
            id: row.id.to_string(),
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
            id: row.id.read().ok_or_else(|| corrupt("id"))?,
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

// === impl StoredRow ===

impl<I: Id> TryFrom<StoredRow<I>> for Stored {
    type Error = Error;

    fn try_from(row: StoredRow<I>) -> Result<Self, Error> {
        Ok(Self {
            user: row.row.try_into()?,
            position: position(row.seq),
        })
    }
}

// === impl ChangeRow ===

impl<I: Id> TryFrom<ChangeRow<I>> for Change {
    type Error = Error;

    fn try_from(row: ChangeRow<I>) -> Result<Self, Error> {
        let kind = match row.kind {
            1 => ChangeKind::Added,
            2 => ChangeKind::Updated,
            3 => ChangeKind::Deleted,
            _ => {
                return Err(Error::Corrupt {
                    id: row.row.id.to_string(),
                    column: "kind",
                });
            }
        };
        Ok(Self {
            position: position(row.seq),
            kind,
            user: row.row.try_into()?,
        })
    }
}
