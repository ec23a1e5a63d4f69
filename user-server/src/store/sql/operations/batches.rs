//! What is created in batches: one transaction, and one statement for each table.

macro_rules! batches {
    ($database:ty, $connection:ty) => {
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
    };
}

pub(in crate::store) use batches;
