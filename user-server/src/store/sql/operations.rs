//! The statements put together: each function works on one connection, and those that write on one
//! transaction, which the caller commits when the function returned a value and rolls back otherwise.

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

        pub(super) async fn get(
            connection: &mut $connection,
            id: UserId,
        ) -> Result<Option<Stored>, Error> {
            let row: Option<StoredRow<$id>> = sqlx::query_as(statements::GET)
                .bind(key(id))
                .fetch_optional(connection)
                .await?;
            row.map(Stored::try_from).transpose()
        }

        pub(super) async fn find_by_email(
            connection: &mut $connection,
            email: &Email,
        ) -> Result<Option<User>, Error> {
            let row: Option<Row<$id>> = sqlx::query_as(statements::FIND_BY_EMAIL)
                .bind(email.key())
                .fetch_optional(connection)
                .await?;
            row.map(User::try_from).transpose()
        }

        pub(super) async fn batch_get(
            connection: &mut $connection,
            ids: &Ids,
        ) -> Result<Vec<User>, Error> {
            let mut query = QueryBuilder::<$database>::new(statements::BATCH_GET);
            let mut list = query.separated(", ");
            for id in ids.as_slice() {
                list.push_bind(key(*id));
            }
            query.push(")");
            // There is a statement for every length; they are not worth being kept prepared.
            let rows = query
                .build_query_as::<Row<$id>>()
                .persistent(false)
                .fetch_all(connection)
                .await?;
            users(rows)
        }

        pub(super) async fn list(
            connection: &mut $connection,
            query: &Query,
        ) -> Result<Page, Error> {
            let after = key_or_first(query.after);
            let limit = i64::from(query.rows());
            let prefix = query.prefix.as_str();
            let select = if prefix.is_empty() {
                sqlx::query_as(statements::LIST_ALL).bind(after).bind(limit)
            } else {
                // A prefix has at most 400 bytes.
                let length = i32::try_from(prefix.chars().count()).unwrap_or(i32::MAX);
                sqlx::query_as(statements::LIST)
                    .bind(after)
                    .bind(length)
                    .bind(prefix.to_owned())
                    .bind(limit)
            };
            let rows: Vec<Row<$id>> = select.fetch_all(connection).await?;
            Ok(query.page(users(rows)?))
        }

        pub(super) async fn unchanged_since(
            connection: &mut $connection,
            head: Position,
            after: Option<UserId>,
            limit: u16,
        ) -> Result<Vec<User>, Error> {
            let rows: Vec<Row<$id>> = sqlx::query_as(statements::UNCHANGED_SINCE)
                .bind(key_or_first(after))
                .bind(seq(head))
                .bind(i64::from(limit))
                .fetch_all(connection)
                .await?;
            users(rows)
        }

        pub(super) async fn create(
            connection: &mut $connection,
            user: &User,
            request: Option<RequestId>,
        ) -> Result<Change, Error> {
            if let Some(request) = request {
                let first: Option<ChangeRow<$id>> = sqlx::query_as(statements::FIRST_RESULT)
                    .bind(<$id>::of(request.uuid()))
                    .fetch_optional(&mut *connection)
                    .await?;
                if let Some(first) = first {
                    return first.try_into();
                }
            }
            let position = advance(&mut *connection, 1).await?;
            if let Some(request) = request {
                let inserted = sqlx::query(statements::INSERT_REQUEST)
                    .bind(<$id>::of(request.uuid()))
                    .bind(seq(position))
                    .execute(&mut *connection)
                    .await?;
                if inserted.rows_affected() == 0 {
                    // The same request was committed since we looked: the next try finds its result.
                    return Err(Error::Contended(None));
                }
            }
            let inserted = sqlx::query(statements::INSERT)
                .bind(key(user.id))
                .bind(user.display_name.as_str().to_owned())
                .bind(user.email.as_str().to_owned())
                .bind(user.email.key())
                .bind(age(user))
                .bind(user.create_time.as_microsecond())
                .bind(user.update_time.as_microsecond())
                .bind(i64::from(user.revision))
                .bind(seq(position))
                .execute(&mut *connection)
                .await?;
            if inserted.rows_affected() == 0 {
                return Err(Error::EmailTaken);
            }
            let change = Change {
                position,
                kind: ChangeKind::Added,
                user: user.clone(),
            };
            record(connection, &change, user.create_time).await?;
            Ok(change)
        }

        pub(super) async fn update(
            connection: &mut $connection,
            update: &Update,
            now: Timestamp,
        ) -> Result<Change, Error> {
            let old = current(&mut *connection, update.id, update.etag.as_ref()).await?;
            let user = update.apply(&old, now);
            let position = advance(&mut *connection, 1).await?;
            let updated = sqlx::query(statements::UPDATE)
                .bind(user.display_name.as_str().to_owned())
                .bind(user.email.as_str().to_owned())
                .bind(user.email.key())
                .bind(age(&user))
                .bind(user.update_time.as_microsecond())
                .bind(i64::from(user.revision))
                .bind(seq(position))
                .bind(key(user.id))
                .bind(i64::from(old.revision))
                .execute(&mut *connection)
                .await
                .map_err(|error| match &error {
                    // The address is the only unique column that is set.
                    sqlx::Error::Database(database) if database.is_unique_violation() => {
                        Error::EmailTaken
                    }
                    _ => error.into(),
                })?;
            if updated.rows_affected() == 0 {
                return Err(Error::Contended(None));
            }
            let change = Change {
                position,
                kind: ChangeKind::Updated,
                user,
            };
            record(connection, &change, change.user.update_time).await?;
            Ok(change)
        }

        pub(super) async fn delete(
            connection: &mut $connection,
            id: UserId,
            etag: Option<&Etag>,
            now: Timestamp,
        ) -> Result<Change, Error> {
            let user = current(&mut *connection, id, etag).await?;
            let position = advance(&mut *connection, 1).await?;
            let deleted = sqlx::query(statements::DELETE)
                .bind(key(id))
                .bind(i64::from(user.revision))
                .execute(&mut *connection)
                .await?;
            if deleted.rows_affected() == 0 {
                return Err(Error::Contended(None));
            }
            let change = Change {
                position,
                kind: ChangeKind::Deleted,
                user,
            };
            record(connection, &change, now).await?;
            Ok(change)
        }

        pub(super) async fn import(
            connection: &mut $connection,
            batch: &[User],
        ) -> Result<Vec<Imported>, Error> {
            if batch.is_empty() {
                return Ok(Vec::new());
            }
            // Taking no position takes the lock: what is free from here on stays free.
            advance(&mut *connection, 0).await?;
            let mut query = QueryBuilder::<$database>::new(statements::TAKEN);
            let mut list = query.separated(", ");
            for user in batch {
                list.push_bind(user.email.key());
            }
            query.push(")");
            let mut taken: HashSet<String> = query
                .build_query_scalar::<String>()
                .persistent(false)
                .fetch_all(&mut *connection)
                .await?
                .into_iter()
                .collect();

            let mut outcomes = Vec::with_capacity(batch.len());
            let mut fresh = Vec::with_capacity(batch.len());
            for user in batch {
                if taken.insert(user.email.key()) {
                    outcomes.push(Imported::Created);
                    fresh.push(user);
                } else {
                    outcomes.push(Imported::EmailTaken);
                }
            }
            if fresh.is_empty() {
                return Ok(outcomes);
            }
            let count = u16::try_from(fresh.len()).unwrap_or(u16::MAX);
            let last = advance(&mut *connection, count).await?;
            let first = seq(last) - i64::from(count) + 1;

            QueryBuilder::<$database>::new(statements::IMPORT)
                .push_values((first..).zip(&fresh), |mut row, (number, user)| {
                    row.push_bind(key(user.id))
                        .push_bind(user.display_name.as_str().to_owned())
                        .push_bind(user.email.as_str().to_owned())
                        .push_bind(user.email.key())
                        .push_bind(age(user))
                        .push_bind(user.create_time.as_microsecond())
                        .push_bind(user.update_time.as_microsecond())
                        .push_bind(i64::from(user.revision))
                        .push_bind(number);
                })
                .build()
                .persistent(false)
                .execute(&mut *connection)
                .await?;
            QueryBuilder::<$database>::new(statements::IMPORT_CHANGES)
                .push_values((first..).zip(&fresh), |mut row, (number, user)| {
                    row.push_bind(number)
                        .push_bind(kind(ChangeKind::Added))
                        .push_bind(user.create_time.as_microsecond())
                        .push_bind(key(user.id))
                        .push_bind(user.display_name.as_str().to_owned())
                        .push_bind(user.email.as_str().to_owned())
                        .push_bind(age(user))
                        .push_bind(user.create_time.as_microsecond())
                        .push_bind(user.update_time.as_microsecond())
                        .push_bind(i64::from(user.revision));
                })
                .build()
                .persistent(false)
                .execute(connection)
                .await?;
            Ok(outcomes)
        }

        pub(super) async fn head(connection: &mut $connection) -> Result<Position, Error> {
            let head: i64 = sqlx::query_scalar(statements::HEAD)
                .fetch_one(connection)
                .await?;
            Ok(position(head))
        }

        pub(super) async fn changes(
            connection: &mut $connection,
            after: Position,
            limit: u16,
        ) -> Result<Vec<Change>, Error> {
            // The head is read first: everything up to it is visible to the second statement, unless it
            // was pruned.
            let head = head(&mut *connection).await?;
            let rows: Vec<ChangeRow<$id>> = sqlx::query_as(statements::CHANGES)
                .bind(seq(after))
                .bind(i64::from(limit))
                .fetch_all(connection)
                .await?;
            let changes: Vec<_> = rows
                .into_iter()
                .map(Change::try_from)
                .collect::<Result<_, _>>()?;
            let is_complete = match changes.first() {
                Some(first) => first.position.follows(after),
                None => head == after,
            };
            if is_complete {
                Ok(changes)
            } else {
                Err(Error::Pruned)
            }
        }

        pub(super) async fn prune(
            connection: &mut $connection,
            horizon: Timestamp,
            limit: u16,
        ) -> Result<usize, Error> {
            let oldest: Vec<(i64, i64)> = sqlx::query_as(statements::OLDEST)
                .bind(i64::from(limit))
                .fetch_all(&mut *connection)
                .await?;
            // Only from the beginning: clocks of replicas differ, and the feed must stay without gaps.
            let old: Vec<_> = oldest
                .into_iter()
                .take_while(|(_, time)| *time < horizon.as_microsecond())
                .collect();
            let Some((last, _)) = old.last() else {
                return Ok(0);
            };
            for statement in [statements::PRUNE_REQUESTS, statements::PRUNE_CHANGES] {
                sqlx::query(statement)
                    .bind(*last)
                    .execute(&mut *connection)
                    .await?;
            }
            Ok(old.len())
        }

        pub(super) async fn ping(connection: &mut $connection) -> Result<(), Error> {
            sqlx::query(statements::PING).execute(connection).await?;
            Ok(())
        }

        /// Takes the next positions, and returns the last of them.
        async fn advance(connection: &mut $connection, count: u16) -> Result<Position, Error> {
            let last: i64 = sqlx::query_scalar(statements::ADVANCE)
                .bind(i64::from(count))
                .fetch_one(connection)
                .await?;
            Ok(position(last))
        }

        async fn current(
            connection: &mut $connection,
            id: UserId,
            etag: Option<&Etag>,
        ) -> Result<User, Error> {
            let Stored { user, .. } = get(connection, id).await?.ok_or(Error::NotFound)?;
            if etag.is_some_and(|etag| *etag != user.etag()) {
                return Err(Error::EtagMismatch);
            }
            Ok(user)
        }

        async fn record(
            connection: &mut $connection,
            change: &Change,
            time: Timestamp,
        ) -> Result<(), Error> {
            let user = &change.user;
            sqlx::query(statements::INSERT_CHANGE)
                .bind(seq(change.position))
                .bind(kind(change.kind))
                .bind(time.as_microsecond())
                .bind(key(user.id))
                .bind(user.display_name.as_str().to_owned())
                .bind(user.email.as_str().to_owned())
                .bind(age(user))
                .bind(user.create_time.as_microsecond())
                .bind(user.update_time.as_microsecond())
                .bind(i64::from(user.revision))
                .execute(connection)
                .await?;
            Ok(())
        }
    };
}

pub(in crate::store) use operations;
