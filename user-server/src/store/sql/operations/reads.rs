//! What is found.

macro_rules! reads {
    ($database:ty, $connection:ty, $id:ty) => {
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

        pub(super) async fn ping(connection: &mut $connection) -> Result<(), Error> {
            sqlx::query(statements::PING).execute(connection).await?;
            Ok(())
        }
    };
}

pub(in crate::store) use reads;
