//! The demo as a developer starts it.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod certs;
mod check;
mod demo;
mod faults;
mod features;
mod mesh;
mod queries;
mod rotation;
// template:only
mod template;
// template:end
