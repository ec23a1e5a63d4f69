//! The operations on PostgreSQL, which has a type for ids.

crate::store::sql::operations!(sqlx::Postgres, sqlx::PgConnection, uuid::Uuid);
