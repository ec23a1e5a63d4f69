//! The program as its callers see it: the real binary against real servers on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "../../../crates/service-runtime/tests/it/collector.rs"]
#[allow(dead_code, reason = "the tests of the runtime use more of it")]
mod collector;
mod commands;
mod credentials;
mod dns;
mod doctor;
mod failures;
mod fault;
mod generated;
#[cfg(unix)]
mod import;
mod load;
mod lookup;
mod mesh;
mod ops;
mod program;
mod replica;
mod resolve;
mod resource;
mod settings;
mod traces;
#[cfg(unix)]
mod watch;

use self::program::soon;
