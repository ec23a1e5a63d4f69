//! The shape of the tokio runtime: one that shares its work, or one for each core.
//!
//! | shape | good at | bad at |
//! |---|---|---|
//! | `multi-thread` | any number of connections: a thread without work takes over another's | a little more for each wake-up, since threads look at each other's work |
//! | `per-core` | many connections, and calls that are answered from memory: nothing is shared | few connections, or uneven ones: the kernel gives each to a core for its life, and a core that has two of three busy ones is full while another idles |
//!
//! Both answer the calls of a connection in its own turn (`server::calls`), which is where most of the
//! difference between such shapes comes from elsewhere. What was measured: docs/performance.md.

use std::io;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};

use crate::settings::Violations;

/// How the threads of the process share the work.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `"multi-thread"`: one runtime, whose threads share all connections. `"per-core"`: a runtime with
    /// one thread for each core, each with a listener of its own on the same port (`SO_REUSEPORT`), for
    /// gRPC; what else the process does has one more thread.
    pub shape: Shape,
    /// How many threads serve gRPC. `0` is one for each core that the process may use.
    pub threads: usize,
}

/// How threads share connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// All threads share all connections.
    #[default]
    MultiThread,
    /// A connection belongs to one thread.
    PerCore,
}

/// More threads than any machine has cores for.
const MOST: usize = 1024;

// === impl Config ===

impl Config {
    /// Checks what the types cannot.
    pub fn validate(&self, violations: &mut Violations) {
        violations.expect(self.threads <= MOST, "threads", "at most 1024");
    }

    /// Starts the runtime that the process begins on.
    ///
    /// # Errors
    /// When the operating system gives no threads, or no descriptors to wait for.
    pub fn start(&self) -> io::Result<Runtime> {
        let threads = match self.shape {
            Shape::MultiThread => self.threads(),
            // For the rest of the process.
            Shape::PerCore => 1,
        };
        Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
    }

    /// How many runtimes of their own gRPC's connections have; none when they share the one of the
    /// process.
    pub(crate) fn cores(&self) -> usize {
        match self.shape {
            Shape::MultiThread => 0,
            Shape::PerCore => self.threads(),
        }
    }

    fn threads(&self) -> usize {
        match self.threads {
            // It respects the limits of a container, as far as there are such.
            0 => available_parallelism().map_or(1, NonZeroUsize::get),
            threads => threads,
        }
    }
}
