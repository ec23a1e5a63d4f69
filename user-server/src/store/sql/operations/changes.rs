//! What happened, and what of it is forgotten.

macro_rules! changes {
    ($connection:ty, $id:ty) => {
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
    };
}

pub(in crate::store) use changes;
