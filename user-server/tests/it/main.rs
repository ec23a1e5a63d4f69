//! The server from outside: in this process over real sockets, and as the real binary.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails may say so at once"
)]

mod access;
mod books;
mod browsers;
mod caching;
mod callers;
mod calls;
mod changing;
mod cli;
#[path = "../../../crates/service-runtime/tests/it/collector.rs"]
#[allow(dead_code, reason = "the tests of the runtime use more of it")]
mod collector;
mod compression;
mod encryption;
mod grpc_go;
mod importing;
mod limiting;
mod log_level;
mod log_records;
mod looking_up;
mod lost_replica;
mod metrics;
mod otelcol;
mod outage;
mod page;
mod per_core;
mod postgres;
mod process;
mod reflection;
mod running;
mod sharing;
mod sizing;
mod store;
mod tls;
mod traces;
mod watching;

use self::running::soon;
