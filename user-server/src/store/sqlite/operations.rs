//! The operations on SQLite, where an id is a text that whoever looks into the database can read.

crate::store::sql::operations!(sqlx::Sqlite, sqlx::SqliteConnection, String);
