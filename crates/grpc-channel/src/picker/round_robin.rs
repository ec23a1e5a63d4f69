//! Round robin, exactly: after any number of picks the counts differ by one at most.

use super::atomic::{AtomicUsize, Ordering};

/// Gives its items in turn, to any number of threads.
#[derive(Debug)]
pub(crate) struct RoundRobin<T> {
    items: Box<[T]>,
    next: AtomicUsize,
}

// === impl RoundRobin ===

impl<T> RoundRobin<T> {
    /// Starts with item number `start`, so that many clients that start together do not all meet at
    /// the first. `None` when there is no item.
    pub(crate) fn new(items: impl Into<Box<[T]>>, start: usize) -> Option<Self> {
        let items = items.into();
        let start = start.checked_rem(items.len())?;
        Some(Self {
            items,
            next: AtomicUsize::new(start),
        })
    }

    pub(crate) fn pick(&self) -> &T {
        // Relaxed: the counter orders nothing but itself.
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        // `new` made sure that there is an item.
        &self.items[turn % self.items.len()]
    }
}
