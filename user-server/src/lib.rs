//! The server of `user.v1.UserService`.
//!
//! | module | what it is |
//! |---|---|
//! | [`cli`] | the command line: serve, `config print`, `config check` |
//! | [`settings`] | every setting, in one tree |
//! | [`domain`] | what a user is; no protobuf, no SQL, no clock |
//! | [`store`] | the trait, and SQLite behind it |
//! | [`rpc`] | protobuf ⇄ domain, and errors as callers see them |
//! | [`server`] | the parts put together: build → serve |
//!
//! The path of a call: `service_runtime`'s server and layers → [`rpc`] takes the message apart →
//! [`domain`] checks it → [`store`] finds or keeps it → [`rpc`] puts the answer together.
//!
//! The path of a setting: [`cli`] names the file and the flags → [`settings`] merges all layers →
//! [`server`] hands each module its section.

pub mod cli;
pub mod domain;
pub mod rpc;
pub mod server;
pub mod settings;
pub mod store;

pub use self::cli::run;
pub use self::server::Server;
