//! What is created, updated and deleted, one by one. Everything that can be refused is refused before
//! the transaction takes its position, because from then on every other writer waits for it.

macro_rules! writes {
    ($connection:ty, $id:ty) => {
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

pub(in crate::store) use writes;
