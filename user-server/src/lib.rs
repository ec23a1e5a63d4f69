//! The server of `user.v1.UserService`.
//!
//! | module | what it is |
//! |---|---|
//! | [`cli`] | the command line: serve, `config print`, `config check` |
//! | [`settings`] | every setting, in one tree |
//! | [`domain`] | what a user is; no protobuf, no SQL, no clock |
//! | [`store`] | the trait, and SQLite and PostgreSQL behind it |
//! | [`feed`] | what changes, for everybody in this process who wants to know |
//! | [`cache`] | keeps what is read often off the database |
//! | [`compression`] | how messages are compressed |
//! | [`retention`] | forgets old changes |
//! | [`instruments`] | what the store, the feed and the cache measure |
//! | [`rpc`] | protobuf ⇄ domain, and errors as callers see them |
//! | [`server`] | the parts put together: build → serve |
//!
//! The path of a call: `service_runtime`'s server and layers → [`rpc`] takes the message apart →
//! [`domain`] checks it → [`store`] finds or keeps it → [`rpc`] puts the answer together.
//!
//! The path of a change: a transaction in [`store`] gives it its position → [`feed`] reads it, on every
//! replica → [`cache`] replaces what it held → every watch in [`rpc`] sends it.
//!
//! The path of a setting: [`cli`] names the file and the flags → [`settings`] merges all layers →
//! [`server`] hands each module its section.

pub mod cache;
pub mod cli;
pub mod compression;
pub mod domain;
pub mod feed;
pub mod instruments;
pub mod retention;
pub mod rpc;
pub mod server;
pub mod settings;
pub mod store;

pub use self::cli::run;
pub use self::server::Server;
