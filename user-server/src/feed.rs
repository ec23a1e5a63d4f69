//! What changes, for everybody in this process who wants to know: one task follows the store and passes
//! every change on, in order and without gaps.
//!
//! The task is woken by the store's news, and asks anyway from time to time, because news can be lost.
//! It keeps the last changes in a ring of fixed size for the watches that are up to date; whoever is
//! behind reads from the store (see [`Watch`]).

mod config;
mod freshness;
mod metrics;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use service_runtime::chain::Chain;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub use self::config::Config;
pub use self::freshness::Freshness;
use self::metrics::{Interruptions, Reason};
pub use self::watch::{Event, Item, Start, Watch, WatchError};
use crate::cache::Cache;
use crate::domain::{Change, Position};
use crate::store::{Error, Store};

/// How many changes are read at a time.
const BATCH: u16 = 500;

/// The longest pause after a failure, however seldom the store is asked while all is well.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The changes as they come. Clones follow the same task.
#[derive(Clone, Debug)]
pub struct Feed {
    ring: broadcast::Sender<Signal>,
    position: Arc<AtomicU64>,
    closing: CancellationToken,
    heartbeat: Duration,
    interruptions: Interruptions,
}

/// What the ring holds.
#[derive(Clone, Debug)]
enum Signal {
    /// The next change.
    Change(Arc<Change>),
    /// The feed began, or began anew, at its position: what was before is in the store only.
    Begun,
}

/// Keeps the feed going while it lives.
#[derive(Debug)]
pub struct Following {
    _task: AbortOnDropHandle<()>,
}

/// What the task works with.
struct Follower<S> {
    store: S,
    feed: Feed,
    cache: Cache,
    poll_interval: Duration,
    /// Whether the last attempt failed, so that the log tells of the first failure and of the recovery
    /// and not of each attempt.
    failing: bool,
}

// === impl Feed ===

impl Feed {
    /// Starts to follow the store, and keeps `cache` in step with it. Watches end when `closing` is
    /// cancelled. Must be called on a tokio runtime.
    pub fn start<S: Store>(
        store: S,
        config: &Config,
        cache: Cache,
        closing: CancellationToken,
    ) -> (Self, Following) {
        let (ring, _) = broadcast::channel(config.capacity());
        let feed = Self {
            ring,
            position: Arc::new(AtomicU64::new(0)),
            closing,
            heartbeat: config.heartbeat,
            interruptions: Interruptions::default(),
        };
        let follower = Follower {
            store,
            feed: feed.clone(),
            cache,
            poll_interval: config.poll_interval,
            failing: false,
        };
        let task = AbortOnDropHandle::new(tokio::spawn(follower.run()));
        (feed, Following { _task: task })
    }

    /// Cancelled when streams have to end.
    #[must_use]
    pub fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// A receiver of every change after the returned position.
    fn subscribe(&self) -> (broadcast::Receiver<Signal>, Position) {
        // In this order: the position counts a change before it is sent, so that what was sent before
        // the subscription is not after the position.
        let receiver = self.ring.subscribe();
        (
            receiver,
            Position::new(self.position.load(Ordering::Acquire)),
        )
    }

    fn publish(&self, change: Change) {
        self.send(change.position, Signal::Change(Arc::new(change)));
    }

    fn send(&self, position: Position, signal: Signal) {
        self.position.store(position.get(), Ordering::Release);
        // There may be no watch.
        let _ = self.ring.send(signal);
    }
}

// === impl Follower ===

impl<S: Store> Follower<S> {
    async fn run(mut self) {
        let mut position = self.begin().await;
        loop {
            let asked = Instant::now();
            match self.store.follow(position, BATCH).await {
                Ok(changes) => {
                    let is_all = changes.len() < usize::from(BATCH);
                    for change in changes {
                        position = change.position;
                        self.cache.apply(&change);
                        self.feed.publish(change);
                    }
                    self.cache.seen(position);
                    if !is_all {
                        continue;
                    }
                    self.cache.freshness().heard(asked);
                    self.recovered();
                    tokio::select! {
                        () = self.store.news() => {}
                        () = tokio::time::sleep(self.poll_interval) => {}
                    }
                }
                Err(Error::Pruned) => {
                    self.feed.interruptions.count(Reason::Pruned);
                    // The database was away for longer than changes are kept. Watches see the gap and
                    // read from the store, which tells them.
                    tracing::warn!(
                        "changes were forgotten before they were read; going on with the newest"
                    );
                    position = self.begin().await;
                }
                Err(error) => self.pause(&error).await,
            }
        }
    }

    /// Waits until the store says where to begin.
    async fn begin(&mut self) -> Position {
        loop {
            match self.store.head().await {
                Ok(head) => {
                    self.cache.begin(head);
                    self.feed.send(head, Signal::Begun);
                    return head;
                }
                Err(error) => self.pause(&error).await,
            }
        }
    }

    async fn pause(&mut self, error: &Error) {
        if !self.failing {
            self.feed.interruptions.count(Reason::Unavailable);
            tracing::warn!(error = %Chain(error), "changes cannot be read; trying again");
        }
        self.failing = true;
        tokio::time::sleep(self.poll_interval.min(LONGEST_PAUSE)).await;
    }

    fn recovered(&mut self) {
        if self.failing {
            tracing::info!("changes can be read again");
        }
        self.failing = false;
    }
}
