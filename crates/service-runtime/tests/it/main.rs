//! The runtime from outside: real servers, real sockets, real clients.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails may say so at once"
)]

mod abuse;
#[allow(dead_code, reason = "the tests of the whole server use more of it")]
mod collector;
mod drain;
mod faults;
mod frames;
mod health;
mod layers;
mod leaving;
mod limits;
mod log;
mod metrics;
mod ops;
mod pushed;
mod scrape;
mod server;
mod subject;
#[cfg(unix)]
mod tls;
mod traces;

use self::subject::soon;
