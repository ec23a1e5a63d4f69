//! Several targets in order of priority: one is used, and the others are there for when it fails.
//!
//! Each target has a resolver and a balancer of its own, as if it were a channel's only one. Where
//! they publish their pickers, the one of the target in use is put before the calls, by the balancer
//! that has something new and not by another task: a picker is as fast there as in a channel with one
//! target. Only balancers and timers take the lock; a call never does.

mod priorities;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

pub(crate) use self::priorities::Config;
use self::priorities::Priorities;
use crate::balancer::Settings;
use crate::level::{self, Level};
use crate::picker::{Picker, Slot};
use crate::resolver::Resolve;
use crate::stats::Stats;
use crate::unavailable::{NotReady, Unavailable};

/// The targets of a channel that has several.
pub(crate) struct Failover {
    shared: Arc<Shared>,
    _timers: AbortOnDropHandle<()>,
}

/// How a target tells that it has a new picker.
#[derive(Clone, Debug)]
pub(crate) struct Report(Weak<Shared>);

struct Shared {
    /// Where the calls look.
    slot: Arc<Slot>,
    settings: watch::Sender<Settings>,
    /// The timers may have changed.
    reported: Notify,
    ladder: Mutex<Ladder>,
}

/// The targets, the one of the highest priority first.
struct Ladder {
    priorities: Priorities,
    rungs: Vec<Rung>,
    used: Option<usize>,
}

struct Rung {
    target: Arc<str>,
    config: level::Config,
    /// `None` while it is not needed.
    level: Option<Level>,
}

// === impl Failover ===

impl Failover {
    /// Starts the first target, whose addresses `resolver` gives; within a tokio runtime.
    pub(crate) fn start(
        first: level::Config,
        resolver: impl Resolve,
        fallbacks: Vec<level::Config>,
        settings: watch::Sender<Settings>,
        config: Config,
    ) -> Self {
        let shared = Arc::new_cyclic(|shared| {
            let report = Some(Report(shared.clone()));
            let level = Level::start_with(resolver, &first, settings.subscribe(), report);
            let mut rungs: Vec<Rung> = std::iter::once(first)
                .chain(fallbacks)
                .map(Rung::new)
                .collect();
            rungs[0].level = Some(level);
            Shared {
                slot: Arc::new(Slot::new()),
                settings,
                reported: Notify::new(),
                ladder: Mutex::new(Ladder {
                    priorities: Priorities::new(config, rungs.len(), Instant::now()),
                    rungs,
                    used: None,
                }),
            }
        });
        // What the first target has published by now was told to nobody.
        shared.advance();
        let timers = tokio::spawn(keep_time(shared.clone()));
        Self {
            shared,
            _timers: AbortOnDropHandle::new(timers),
        }
    }

    /// Where calls find the picker in place.
    pub(crate) fn slot(&self) -> Arc<Slot> {
        self.shared.slot.clone()
    }

    /// What calls that wait wait for.
    pub(crate) fn awaited(&self) -> Arc<str> {
        let ladder = self.shared.lock();
        ladder.rungs[ladder.used.unwrap_or_default()].target.clone()
    }

    /// The statistics of the first target, with those of its fallbacks.
    pub(crate) fn stats(&self) -> Stats {
        let ladder = self.shared.lock();
        let mut all = ladder.rungs.iter().zip(0..).map(|(rung, place)| {
            let used = ladder.used == Some(place);
            match &rung.level {
                Some(level) => Stats::of(&rung.target, &level.view, used),
                None => Stats::idle(&rung.target),
            }
        });
        let first = all.next().unwrap_or_else(|| Stats::idle(""));
        Stats {
            fallbacks: all.collect(),
            ..first
        }
    }
}

/// Advances whenever a timer is due.
async fn keep_time(shared: Arc<Shared>) {
    loop {
        let due = shared.lock().priorities.due();
        let timer = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = timer => shared.advance(),
            () = shared.reported.notified() => {}
        }
    }
}

// === impl Report ===

impl Report {
    /// There is a new picker.
    pub(crate) fn published(&self) {
        if let Some(shared) = self.0.upgrade() {
            shared.advance();
            shared.reported.notify_one();
        }
    }
}

// === impl Shared ===

impl Shared {
    /// Looks at all targets, and puts the picker of the right one before the calls.
    fn advance(self: &Arc<Self>) {
        let now = Instant::now();
        let mut ladder = self.lock();
        let ladder = &mut *ladder;
        let mut pickers: Vec<Option<Arc<Picker>>> = ladder.rungs.iter().map(Rung::picker).collect();
        for (place, picker) in pickers.iter().enumerate() {
            if let Some(picker) = picker {
                ladder.priorities.report(place, picker.state(), now);
            }
        }
        let choice = ladder.priorities.choose(now);
        // A level that ends only aborts its tasks, which never wait for the lock here.
        for stopped in choice.stopped {
            let rung = &mut ladder.rungs[stopped];
            tracing::info!(target_name = %rung.target, "the fallback is not needed any more");
            rung.level = None;
        }
        if let Some(used) = choice.used.filter(|_| choice.starts) {
            let rung = &mut ladder.rungs[used];
            let (settings, report) = (self.settings.subscribe(), Report(Arc::downgrade(self)));
            let level = rung
                .level
                .get_or_insert_with(|| Level::start(&rung.config, settings, report));
            pickers[used] = Some(level.view.picker.load_full());
        }
        if ladder.used != choice.used {
            ladder.used = choice.used;
            ladder.tell();
        }
        let picker = choice.used.and_then(|used| pickers[used].take());
        match picker {
            Some(picker) => {
                if !Arc::ptr_eq(&picker, &self.slot.load()) {
                    self.slot.publish(picker);
                }
            }
            None => self.slot.publish(Picker::Fail(ladder.unavailable())),
        }
    }

    /// A panic while the ladder is locked leaves it whole: the next picker is judged anew.
    fn lock(&self) -> MutexGuard<'_, Ladder> {
        self.ladder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Ladder ===

impl Ladder {
    fn unavailable(&self) -> Unavailable {
        let running = self.rungs.iter().filter_map(|rung| {
            let level = rung.level.as_ref()?;
            Some(NotReady::of(rung.target.clone(), &level.view))
        });
        Unavailable(running.collect())
    }

    /// Says which target is used from now on.
    fn tell(&self) {
        match self.used {
            Some(0) => {
                tracing::info!(target_name = %self.rungs[0].target, "the first target is used");
            }
            Some(used) => {
                tracing::warn!(
                    target_name = %self.rungs[used].target,
                    "the targets of higher priority have failed; a fallback is used",
                );
            }
            None => tracing::warn!("all targets have failed"),
        }
    }
}

// === impl Rung ===

impl Rung {
    fn new(config: level::Config) -> Self {
        Self {
            target: config.name(),
            config,
            level: None,
        }
    }

    fn picker(&self) -> Option<Arc<Picker>> {
        Some(self.level.as_ref()?.view.picker.load_full())
    }
}
