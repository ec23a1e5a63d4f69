//! What a call asks for a connection: an immutable value that the balancer swaps.
//!
//! A pick takes no lock, allocates nothing and wakes nobody. What there is to pick from changes only
//! by a new picker in the place of the old one.

mod least_request;
mod rotation;
mod round_robin;
#[cfg(test)]
mod tests;
mod weighted;

/// What the round robin counts with; tests/loom.rs puts loom's in their place.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicUsize, Ordering};
}

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use self::least_request::Load;
pub(crate) use self::rotation::Rotation;
use crate::connectivity::State;
use crate::subchannel::{Pool, Subchannel};
use crate::unavailable::Unavailable;

/// Decides where a call goes.
#[derive(Debug)]
pub(crate) enum Picker {
    /// A connection is being made: wait for the next picker.
    Queue,
    /// These can be picked.
    Ready(Rotation),
    /// Nothing can be picked, and this is why.
    Fail(Unavailable),
}

/// A replica that takes calls.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) subchannel: Arc<Subchannel>,
    pub(crate) pool: Pool,
    /// Its share under [`Policy::WeightedRoundRobin`](crate::Policy::WeightedRoundRobin).
    pub(crate) weight: u32,
}

/// Where the balancer puts pickers and calls find them.
#[derive(Debug)]
pub(crate) struct Slot {
    picker: ArcSwap<Picker>,
    published: Notify,
}

// === impl Picker ===

impl Picker {
    /// The state of the target that published it.
    pub(crate) fn state(&self) -> State {
        match self {
            Self::Queue => State::Connecting,
            Self::Ready(_) => State::Ready,
            Self::Fail(_) => State::TransientFailure,
        }
    }
}

// === impl Candidate ===

impl Candidate {
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.subchannel, &other.subchannel)
            && self.pool.is_same(&other.pool)
            && self.weight == other.weight
    }
}

impl Load for Candidate {
    fn in_flight(&self) -> u64 {
        self.subchannel.calls.in_flight()
    }
}

// === impl Slot ===

impl Slot {
    pub(crate) fn new() -> Self {
        Self {
            picker: ArcSwap::from_pointee(Picker::Queue),
            published: Notify::new(),
        }
    }

    pub(crate) fn publish(&self, picker: impl Into<Arc<Picker>>) {
        self.picker.store(picker.into());
        self.published.notify_waiters();
    }

    pub(crate) fn load(&self) -> arc_swap::Guard<Arc<Picker>> {
        self.picker.load()
    }

    /// The same, to be kept for longer than a moment.
    pub(crate) fn load_full(&self) -> Arc<Picker> {
        self.picker.load_full()
    }

    /// Calls `pick` with the present picker and with every later one, until it gives something.
    /// Cancel-safe.
    pub(crate) async fn wait<T>(&self, mut pick: impl FnMut(&Picker) -> Option<T>) -> T {
        if let Some(picked) = pick(&self.load()) {
            return picked;
        }
        loop {
            let mut published = std::pin::pin!(self.published.notified());
            // From here on a new picker is noticed, also one that comes before the await.
            published.as_mut().enable();
            if let Some(picked) = pick(&self.load()) {
                return picked;
            }
            published.await;
        }
    }
}
