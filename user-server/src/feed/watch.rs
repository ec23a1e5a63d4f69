//! One watch: the initial state, what was missed, and then what happens, each once and in order.
//!
//! It moves through three phases. `Initial` pages through what did not change since the watch began;
//! `CatchUp` reads changes from the store, in batches, until it has reached the ring; `Live` takes them
//! from the ring. A watch asks for the next event only when its reader took the one before, so that a
//! slow reader costs no memory but its place in the ring.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::{BATCH, Feed};
use crate::domain::{Change, ChangeKind, Position, ResumeToken, UserId};
use crate::store::{Error, Store};

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With what happens from now on.
    Now,
    /// With everything that exists.
    Initial,
    /// Where another one ended.
    Resume(ResumeToken),
}

/// What a watch tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something changed, or was there at the beginning.
    Change(Arc<Change>),
    /// Everything that there was at the beginning has been told.
    InitialSyncComplete,
    /// Nothing happened.
    Heartbeat,
}

/// An event, and where a later watch goes on after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What happened.
    pub event: Event,
    /// Where to go on.
    pub resume: ResumeToken,
}

/// Why a watch ended. All but [`WatchError::Expired`] can be resumed.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The store could not be read.
    #[error("the watch cannot read from the store")]
    Store {
        /// Where to go on, once something was told or resumed.
        resume: Option<ResumeToken>,
        /// Why.
        source: Error,
    },
    /// What is asked for is not kept any more.
    #[error("the changes after the resume token are not kept any more")]
    Expired,
    /// The reader is further behind than the ring reaches.
    #[error("the watch was read too slowly")]
    TooSlow {
        /// Where to go on.
        resume: ResumeToken,
    },
    /// The process stops.
    #[error("the watch ends because the process stops")]
    Closing {
        /// Where to go on, once something was told or resumed.
        resume: Option<ResumeToken>,
    },
}

/// A watch.
#[derive(Debug)]
pub struct Watch<S> {
    store: S,
    feed: Feed,
    phase: Phase,
    ready: VecDeque<Item>,
    /// Of the last event that was told.
    resume: Option<ResumeToken>,
}

#[derive(Debug)]
enum Phase {
    Begin(Start),
    Initial {
        head: Position,
        after: Option<UserId>,
    },
    CatchUp {
        position: Position,
        /// Whether the end of the initial state is still to be told.
        completing: bool,
        /// The ring, and where it begins.
        ring: Option<(Receiver<Arc<Change>>, Position)>,
    },
    Live {
        position: Position,
        ring: Receiver<Arc<Change>>,
    },
    Ended,
}

// === impl Watch ===

impl<S: Store> Watch<S> {
    /// A watch that has not begun.
    pub fn new(store: S, feed: Feed, start: Start) -> Self {
        let resume = match start {
            Start::Resume(token) => Some(token),
            Start::Now | Start::Initial => None,
        };
        Self {
            store,
            feed,
            phase: Phase::Begin(start),
            ready: VecDeque::new(),
            resume,
        }
    }

    /// The next event; `None` after an error. Not cancel-safe: what was read from the store is lost with
    /// the future, and is read again by a watch that resumes.
    pub async fn next(&mut self) -> Option<Result<Item, WatchError>> {
        if matches!(self.phase, Phase::Ended) {
            return None;
        }
        let closing = self.feed.closing().clone();
        let result = tokio::select! {
            biased;
            () = closing.cancelled() => Err(WatchError::Closing { resume: self.resume }),
            result = self.advance() => result,
        };
        match &result {
            Ok(item) => self.resume = Some(item.resume),
            Err(_) => self.phase = Phase::Ended,
        }
        Some(result)
    }

    async fn advance(&mut self) -> Result<Item, WatchError> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(item);
            }
            match std::mem::replace(&mut self.phase, Phase::Ended) {
                Phase::Begin(start) => self.phase = self.begin(start).await?,
                Phase::Initial { head, after } => self.phase = self.initial(head, after).await?,
                Phase::CatchUp {
                    position,
                    completing,
                    ring,
                } => self.phase = self.catch_up(position, completing, ring).await?,
                Phase::Live { position, ring } => self.phase = self.live(position, ring).await?,
                Phase::Ended => {
                    return Err(WatchError::Closing {
                        resume: self.resume,
                    });
                }
            }
        }
    }

    async fn begin(&mut self, start: Start) -> Result<Phase, WatchError> {
        let catch_up = |position, completing| Phase::CatchUp {
            position,
            completing,
            ring: None,
        };
        Ok(match start {
            Start::Now => {
                let position = self.store.head().await.map_err(|it| self.failed(it))?;
                // At once, so that there is a token before the first change.
                self.tell(Event::Heartbeat, ResumeToken::After(position));
                catch_up(position, false)
            }
            Start::Initial => Phase::Initial {
                head: self.store.head().await.map_err(|it| self.failed(it))?,
                after: None,
            },
            Start::Resume(ResumeToken::Initial { head, after }) => Phase::Initial { head, after },
            Start::Resume(ResumeToken::After(position)) => catch_up(position, false),
            Start::Resume(ResumeToken::Completing(position)) => catch_up(position, true),
        })
    }

    async fn initial(
        &mut self,
        head: Position,
        after: Option<UserId>,
    ) -> Result<Phase, WatchError> {
        let page = self.store.unchanged_since(head, after, BATCH).await;
        let page = page.map_err(|it| self.failed(it))?;
        let Some(last) = page.last().map(|user| user.id) else {
            return Ok(Phase::CatchUp {
                position: head,
                completing: true,
                ring: None,
            });
        };
        for user in page {
            let after = Some(user.id);
            let change = Change {
                position: head,
                kind: ChangeKind::Added,
                user,
            };
            self.tell(
                Event::Change(Arc::new(change)),
                ResumeToken::Initial { head, after },
            );
        }
        Ok(Phase::Initial {
            head,
            after: Some(last),
        })
    }

    async fn catch_up(
        &mut self,
        mut position: Position,
        completing: bool,
        ring: Option<(Receiver<Arc<Change>>, Position)>,
    ) -> Result<Phase, WatchError> {
        let changes = self.store.changes(position, BATCH).await;
        let changes = changes.map_err(|it| self.failed(it))?;
        let is_all = changes.len() < usize::from(BATCH);
        for change in changes {
            position = change.position;
            let resume = if completing {
                ResumeToken::Completing(position)
            } else {
                ResumeToken::After(position)
            };
            self.tell(Event::Change(Arc::new(change)), resume);
        }
        Ok(match ring {
            Some((ring, start)) if position >= start => {
                if completing {
                    self.tell(Event::InitialSyncComplete, ResumeToken::After(position));
                }
                Phase::Live { position, ring }
            }
            // Only when there is not much left: what passes by in the ring meanwhile must fit into it.
            ring => Phase::CatchUp {
                position,
                completing,
                ring: ring.or_else(|| is_all.then(|| self.feed.subscribe())),
            },
        })
    }

    async fn live(
        &mut self,
        position: Position,
        mut ring: Receiver<Arc<Change>>,
    ) -> Result<Phase, WatchError> {
        match timeout(self.feed.heartbeat, ring.recv()).await {
            Ok(Ok(change)) if change.position <= position => Ok(Phase::Live { position, ring }),
            Ok(Ok(change)) if change.position.follows(position) => {
                let position = change.position;
                self.tell(Event::Change(change), ResumeToken::After(position));
                Ok(Phase::Live { position, ring })
            }
            // The feed itself has missed something.
            Ok(Ok(_)) => Ok(Phase::CatchUp {
                position,
                completing: false,
                ring: None,
            }),
            Ok(Err(RecvError::Lagged(_))) => Err(WatchError::TooSlow {
                resume: ResumeToken::After(position),
            }),
            Ok(Err(RecvError::Closed)) => Err(WatchError::Closing {
                resume: self.resume,
            }),
            Err(_) => {
                self.tell(Event::Heartbeat, ResumeToken::After(position));
                Ok(Phase::Live { position, ring })
            }
        }
    }

    fn tell(&mut self, event: Event, resume: ResumeToken) {
        self.ready.push_back(Item { event, resume });
    }

    fn failed(&self, error: Error) -> WatchError {
        match error {
            Error::Pruned => WatchError::Expired,
            source => WatchError::Store {
                resume: self.resume,
                source,
            },
        }
    }
}
