//! The channel against real servers, real sockets and real DNS packets on loopback.
//!
//! Every test runs within [`bounded`] and waits for conditions by [`wait_until`]; nothing else waits
//! for time to pass. Each replica has a loopback address of its own, so tests never meet.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that unwraps says what it requires"
)]

mod connections;
mod credentials;
mod deadlines;
mod dns;
mod echo;
mod failover;
mod frames;
mod health;
mod hedging;
mod held_back;
mod keepalive;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod lifetime;
mod load;
mod loss;
#[cfg(feature = "otel")]
mod metrics;
mod names;
mod outliers;
mod pick_first;
mod policies;
mod questions;
mod raw;
mod replica;
mod retries;
mod service_config;
mod services;
mod spread;
mod stats;
mod streams;
mod subsets;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "otel")]
mod traces;
mod unavailable;
#[cfg(unix)]
mod unix;
mod wait;

use self::wait::{bounded, wait_until};
