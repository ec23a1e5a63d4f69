//! The channel against grpc-go: the standard [interop test cases], and servers that age, drain, die,
//! shed their load and complain.
//!
//! The peer is the Go program in `interop/`, built once by the first test. Where Go is not to be had
//! every test says SKIPPED, with the reason, and passes; [`go::interop`] decides that. The cases know
//! a [`client::Client`] only (with the feature `tls` they run in plaintext and over TLS), and [`peer::Peer::builder`] alone knows how a peer is reached.
//!
//! [interop test cases]: https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that unwraps says what it requires"
)]

mod cancellation;
mod client;
mod go;
mod health;
#[cfg(feature = "tls")]
mod identity;
mod keepalive;
mod load;
mod messages;
mod metadata;
mod peer;
mod refusals;
mod replicas;
mod soak;
mod statuses;
mod streams;
mod unary;
#[path = "../it/wait.rs"]
mod wait;

use self::client::Client;
use self::go::{interop, standard_case};
use self::wait::wait_until;
