//! The statements put together: each function works on one connection, and those that write on one
//! transaction, which the caller commits when the function returned a value and rolls back otherwise.

mod batches;
mod changes;
mod reads;
mod writes;

pub(in crate::store) use self::batches::batches;
pub(in crate::store) use self::changes::changes;
pub(in crate::store) use self::reads::reads;
pub(in crate::store) use self::writes::writes;

/// Writes the functions for one database: `operations!(DATABASE, CONNECTION, ID)`, where `ID` is what an
/// id is in a column.
macro_rules! operations {
    ($database:ty, $connection:ty, $id:ty) => {
        use std::collections::HashSet;

        use jiff::Timestamp;
        use sqlx::QueryBuilder;

        use crate::domain::{
            Change, ChangeKind, Email, Etag, Ids, Page, Position, Query, RequestId, Update, User,
            UserId,
        };
        use crate::store::sql::row::{ChangeRow, Id as _, Row, StoredRow, kind, position, seq};
        use crate::store::sql::statements;
        use crate::store::{Error, Imported, Stored};

        fn key(id: UserId) -> $id {
            <$id>::of(id.uuid())
        }

        /// Every id is greater than the nil UUID.
        fn key_or_first(id: Option<UserId>) -> $id {
            <$id>::of(id.map(UserId::uuid).unwrap_or_default())
        }

        fn age(user: &User) -> Option<i64> {
            user.age.map(|age| i64::from(age.years()))
        }

        fn users(rows: Vec<Row<$id>>) -> Result<Vec<User>, Error> {
            rows.into_iter().map(User::try_from).collect()
        }

        crate::store::sql::operations::reads!($database, $connection, $id);
        crate::store::sql::operations::writes!($connection, $id);
        crate::store::sql::operations::batches!($database, $connection);
        crate::store::sql::operations::changes!($connection, $id);
    };
}

pub(in crate::store) use operations;
