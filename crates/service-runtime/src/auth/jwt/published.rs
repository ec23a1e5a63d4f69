//! The keys that an issuer publishes at a URL, kept up to date.
//!
//! They are fetched again when they are no longer fresh, and at once when a token names a key that is
//! not known, which is what a token signed with a new key does. Whatever goes wrong changes nothing: the
//! keys that were fetched last stay.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::super::memory::NoRandomness;
use super::super::reload::Parse as _;
use super::fetch::{FetchError, Fetched, Fetcher};
use super::keys::{Keys, Reader};
use super::schedule::Schedule;
use crate::chain::Chain;

/// How many calls may wait for a fetch; further ones are refused at once. Anybody can send tokens with
/// a `kid` that is not known.
const MOST_WAITING: usize = 128;

/// Keys from a URL. Clones share them; the last one ends the fetching.
#[derive(Clone)]
pub(in crate::auth) struct Published {
    shared: Arc<Shared>,
    _task: Arc<AbortOnDropHandle<()>>,
}

/// What is known of the keys, for `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::auth) struct Status {
    /// Whether there are keys at all.
    pub(in crate::auth) usable: bool,
    /// Why the last fetch gave none, with every cause.
    pub(super) failed: Option<String>,
}

struct Shared {
    fetcher: Fetcher,
    current: ArcSwap<Keys>,
    turn: Mutex<Turn>,
    /// How many fetches are over; changed while `turn` is locked.
    over: watch::Sender<u64>,
    /// Asks for a fetch at once.
    wanted: Notify,
    waiting: Arc<Semaphore>,
    status: Mutex<Status>,
}

/// Whose turn it is to ask.
struct Turn {
    /// Whether a fetch is running, or asked for.
    fetching: bool,
    /// When a token asked for one last.
    asked: Option<Instant>,
}

// === impl Published ===

impl Published {
    /// Begins to fetch, and returns at once: who has to be up before its issuer must not wait for it.
    /// Must be called on a tokio runtime.
    pub(super) fn start(fetcher: Fetcher, reader: Reader) -> Result<Self, NoRandomness> {
        let shared = Arc::new(Shared {
            current: ArcSwap::from_pointee(reader.none()?),
            fetcher,
            turn: Mutex::new(Turn {
                fetching: true,
                asked: None,
            }),
            over: watch::Sender::new(0),
            wanted: Notify::new(),
            waiting: Arc::new(Semaphore::new(MOST_WAITING)),
            status: Mutex::new(Status {
                usable: false,
                failed: None,
            }),
        });
        let task = tokio::spawn(follow(shared.clone(), reader));
        Ok(Self {
            shared,
            _task: Arc::new(AbortOnDropHandle::new(task)),
        })
    }

    /// What was fetched last, no keys at first; costs no lock.
    pub(super) fn current(&self) -> Guard<Arc<Keys>> {
        self.shared.current.load()
    }

    /// For a key that is not known: waits for the fetch that runs, or for one that is begun for it.
    /// `None` when there was one a moment ago, or too many are waiting.
    pub(super) fn newer(&self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let place = self.shared.waiting.clone().try_acquire_owned().ok()?;
        let mut over = self.shared.ask()?;
        // A fetch takes no longer than that, whatever happens to its task.
        let limit = self.shared.fetcher.config.timeout + Duration::from_secs(1);
        Some(async move {
            let _ = tokio::time::timeout(limit, over.changed()).await;
            drop(place);
        })
    }

    pub(in crate::auth) fn status(&self) -> Status {
        lock(&self.shared.status).clone()
    }
}

impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published").finish_non_exhaustive()
    }
}

// === impl Shared ===

impl Shared {
    /// Tells of the end of the fetch that runs or is begun now, if one is.
    fn ask(&self) -> Option<watch::Receiver<u64>> {
        let mut turn = lock(&self.turn);
        if !turn.fetching {
            let now = Instant::now();
            let interval = self.fetcher.config.unknown_kid_interval;
            if turn.asked.is_some_and(|last| now < last + interval) {
                return None;
            }
            turn.asked = Some(now);
            turn.fetching = true;
            self.wanted.notify_one();
        }
        Some(self.over.subscribe())
    }

    fn begin(&self) {
        lock(&self.turn).fetching = true;
    }

    fn end(&self) {
        let mut turn = lock(&self.turn);
        turn.fetching = false;
        self.over.send_modify(|fetches| *fetches += 1);
    }

    /// Says once what is wrong, and once that it is right again.
    fn record(&self, outcome: Result<(), &FetchError>) {
        let mut status = lock(&self.status);
        let url = self.fetcher.url.as_str();
        match outcome {
            Ok(()) => {
                if status.failed.take().is_some() || !status.usable {
                    tracing::info!(url, "the keys of the issuer are there");
                }
                status.usable = true;
            }
            Err(error) => {
                let error = Chain(error).to_string();
                if status.failed.as_ref() != Some(&error) {
                    tracing::error!(
                        url,
                        error,
                        "the keys of the issuer cannot be had; the last ones stay"
                    );
                    status.failed = Some(error);
                }
            }
        }
    }
}

/// Nothing panics while one of them is locked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn follow(shared: Arc<Shared>, reader: Reader) {
    let config = &shared.fetcher.config;
    let mut schedule = Schedule::new(config.interval_min, config.interval_max);
    let mut last = None;
    loop {
        shared.begin();
        let outcome = renew(&shared, &reader, &mut last).await;
        shared.record(outcome.as_ref().map(drop));
        let wait = match outcome {
            Ok(max_age) => schedule.fetched(max_age, fastrand::f64()),
            Err(_) => schedule.failed(fastrand::f64()),
        };
        shared.end();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shared.wanted.notified() => {}
        }
    }
}

/// Fetches once. A set that is the same as the last one changes nothing, so that what was verified with
/// it is remembered.
async fn renew(
    shared: &Shared,
    reader: &Reader,
    last: &mut Option<String>,
) -> Result<Option<Duration>, FetchError> {
    let Fetched { text, max_age } = shared.fetcher.fetch().await?;
    if last.as_ref() != Some(&text) {
        let keys = reader.parse(&text).map_err(FetchError::Keys)?;
        shared.current.store(Arc::new(keys));
        *last = Some(text);
    }
    Ok(max_age)
}

// === impl Status ===

/// For people.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.usable, &self.failed) {
            (true, None) => f.write_str("up to date"),
            (false, None) => f.write_str("being fetched"),
            (true, Some(why)) => write!(f, "there, and cannot be fetched again: {why}"),
            (false, Some(why)) => write!(f, "missing: {why}"),
        }
    }
}

#[cfg(test)]
mod tests;
