//! When files may have changed: the file system says so, SIGHUP says so, or a minute has passed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::chain::Chain;

/// How long writers may take from the first file to the last.
pub(super) const SETTLE: Duration = Duration::from_millis(50);

/// How often files are looked at where the file system says nothing, as some network and overlay
/// file systems do.
const ANYWAY: Duration = Duration::from_mins(1);

/// The same, when the file system cannot be asked to tell.
const INSTEAD: Duration = Duration::from_secs(5);

/// How many follow files in this process, for [`follows_files`]: a signal is the process's, too.
static FOLLOWERS: AtomicUsize = AtomicUsize::new(0);

/// Tells when files may have changed.
pub(crate) struct Changes {
    changed: Arc<Notify>,
    anyway: Interval,
    #[cfg(unix)]
    hangup: Option<tokio::signal::unix::Signal>,
    _watcher: Option<RecommendedWatcher>,
    _follower: Follower,
}

/// One of the [`FOLLOWERS`].
struct Follower;

/// Whether anybody in this process reads files again on SIGHUP.
pub(crate) fn follows_files() -> bool {
    FOLLOWERS.load(Ordering::Relaxed) > 0
}

// === impl Changes ===

impl Changes {
    /// Of these files. Must be called on a tokio runtime.
    pub(crate) fn of(paths: &[PathBuf]) -> Self {
        let changed = Arc::new(Notify::new());
        let watcher = watch(paths, changed.clone())
            .inspect_err(|error| {
                tracing::warn!(
                    error = %Chain(error),
                    "the file system does not tell of changes; looking every {INSTEAD:?}"
                );
            })
            .ok();
        let mut anyway = interval(if watcher.is_some() { ANYWAY } else { INSTEAD });
        anyway.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is at once, and the files are read anyway.
        anyway.reset();
        Self {
            changed,
            anyway,
            #[cfg(unix)]
            hangup: hangup(),
            _watcher: watcher,
            _follower: Follower::new(),
        }
    }

    /// Returns when they may have changed. Cancel-safe.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await.unwrap_or_default(),
                None => std::future::pending().await,
            }
        };
        #[cfg(not(unix))]
        let hangup = std::future::pending::<()>();
        tokio::select! {
            () = self.changed.notified() => tokio::time::sleep(SETTLE).await,
            () = hangup => {}
            _ = self.anyway.tick() => {}
        }
    }
}

// === impl Follower ===

impl Follower {
    fn new() -> Self {
        FOLLOWERS.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        FOLLOWERS.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(unix)]
fn hangup() -> Option<tokio::signal::unix::Signal> {
    use tokio::signal::unix::{SignalKind, signal};

    signal(SignalKind::hangup())
        .inspect_err(|error| tracing::warn!(error = %Chain(error), "SIGHUP cannot be listened to"))
        .ok()
}

/// Watches directories and not files: Kubernetes replaces a symbolic link beside them, and editors
/// put a new file in the place of the old one.
fn watch(paths: &[PathBuf], changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let directory = |path: &PathBuf| match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => Path::new(".").to_owned(),
    };
    let directories: BTreeSet<PathBuf> = paths.iter().map(directory).collect();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the files is an event as well.
        if event.is_ok_and(|event| event.kind.is_access()) {
            return;
        }
        changed.notify_one();
    })?;
    for directory in directories {
        watcher.watch(&directory, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}
