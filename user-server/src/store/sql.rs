//! What both databases share: the rows, the statements, and the transactions made of them.
//!
//! The statements are the same text for SQLite and PostgreSQL. The code that runs them is written once,
//! as the macros [`operations`] and [`implement_store`], and compiled for each: sqlx's types are generic
//! over the database in a way that a function over a database cannot be without a page of bounds.

pub(super) mod failure;
mod implement;
pub(super) mod operations;
pub(super) mod retry;
pub(super) mod row;
pub(super) mod statements;

pub(super) use self::implement::{implement_store, transact};
pub(super) use self::operations::operations;
