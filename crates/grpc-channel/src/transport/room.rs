//! Where calls wait while every connection of a replica is full.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Tells calls that wait for a place on any of several connections when to look again.
#[derive(Debug, Default)]
pub(crate) struct Room {
    waiting: AtomicUsize,
    free: Notify,
}

/// Counts one who waits.
struct Waiting<'a>(&'a AtomicUsize);

// === impl Room ===

impl Room {
    /// Calls `take` now and whenever there may be room, until it gives something. Cancel-safe.
    pub(crate) async fn wait<T>(&self, mut take: impl FnMut() -> Option<T>) -> T {
        let _waiting = Waiting::new(&self.waiting);
        loop {
            let mut free = std::pin::pin!(self.free.notified());
            // From here on a call that ends is noticed, also one that does before the await.
            free.as_mut().enable();
            if let Some(taken) = take() {
                return taken;
            }
            free.await;
        }
    }

    /// Whether anyone waits.
    pub(crate) fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// A call has ended, so one who waits looks again.
    pub(super) fn freed(&self) {
        // It is read after the place was given back, and counted before one is looked for.
        if self.is_awaited() {
            self.free.notify_one();
        }
    }

    /// Everyone who waits looks again.
    pub(crate) fn changed(&self) {
        self.free.notify_waiters();
    }
}

// === impl Waiting ===

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
