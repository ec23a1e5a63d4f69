//! The threads of the runtime shape `per-core`: each has a runtime and a listener of its own.

use std::io;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A thread with a runtime, which lives as long as this.
#[derive(Debug)]
pub(super) struct Core {
    handle: Handle,
    _alive: DropGuard,
}

// === impl Core ===

impl Core {
    /// Starts the thread; `number` is for its name.
    pub(super) fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let ended = CancellationToken::new();
        let alive = ended.clone().drop_guard();
        thread::Builder::new()
            .name(format!("grpc-{number}"))
            .spawn(move || runtime.block_on(ended.cancelled()))?;
        Ok(Self {
            handle,
            _alive: alive,
        })
    }

    /// Where its tasks are spawned.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}
