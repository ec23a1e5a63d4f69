//! Faults on purpose: delays, status codes and cut streams for a share of the calls of a method, so that
//! ejections, retries, alerts and dashboards are seen working before they are needed.
//!
//! Faults are set and cleared on the ops listener ([`http`]) while the server runs. Nothing can be set
//! unless `faults.enabled` is true. Each ends by itself after a while, so that nobody forgets one; its
//! begin and its end are logged, and [`FAULTS_SET`] says how many there are.
//!
//! A fault takes the handler's place, inside of all other [layers](crate::layers): only callers that may
//! call the method meet it, it is measured, logged and traced like the trouble that it plays, a delay holds
//! a place among the running calls, and the deadlines apply. Its caller is not told, by no header and no
//! trailer: what is rehearsed is what a client does with the real trouble. The operator is: the message of
//! the status says so, the access log has the field `fault`, the span an event, and [`FAULTS_INJECTED`]
//! counts.
//!
//! While none is set, a call costs one atomic load.
//!
//! [`FAULTS_SET`]: crate::telemetry::instruments::FAULTS_SET
//! [`FAULTS_INJECTED`]: crate::telemetry::instruments::FAULTS_INJECTED

mod fault;
pub mod http;
pub mod layer;
mod metrics;
mod scope;
mod table;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use opentelemetry::metrics::Meter;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

pub use self::fault::{Expected, Fault};
pub use self::scope::{Scope, UnknownMethod};

use self::fault::{Kind, Then};
use self::scope::Served;
use self::table::{Entry, Table};
use crate::methods::Method;

/// Whether faults may be set.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether the ops listener takes faults. Whoever reaches that port can then make calls fail: for
    /// rehearsals, and never where strangers come across it.
    pub enabled: bool,
}

/// The faults of one server. Clones share them.
#[derive(Clone)]
pub struct Faults(Option<Arc<Inner>>);

struct Inner {
    served: Served,
    /// Whether any is set: all that most calls ever look at.
    any: AtomicBool,
    table: ArcSwap<Table>,
    /// Whoever changes the table has it, and with it the one that ends the next faults in time.
    timer: Mutex<Option<AbortOnDropHandle<()>>>,
    /// Says of each call whether it meets a fault: evenly from 0 up to 1, without 1 itself.
    draw: Box<dyn Fn() -> f64 + Send + Sync>,
    injected: [AtomicU64; Kind::ALL.len()],
}

/// A fault that is set, as operators see it.
#[derive(Clone, Debug)]
pub struct Active {
    /// Whose calls meet it.
    pub scope: Scope,
    /// What they meet.
    pub fault: Fault,
    /// When it ends by itself.
    pub ends: Option<Instant>,
    /// How many calls have met it.
    pub calls: u64,
}

/// What one call meets.
struct Met {
    fault: Fault,
    then: Then,
}

/// Nothing can be set.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no fault can be set on this server: its setting faults.enabled has to be true")]
pub struct Disabled;

/// Why a fault was ended.
#[derive(Clone, Copy, Debug)]
enum Cause {
    Cleared,
    Replaced,
    Expired,
}

// === impl Config ===

impl Config {
    /// Faults for a server of these methods, each call's luck by the machine's random numbers.
    #[must_use]
    pub fn start(&self, methods: &[Method]) -> Faults {
        self.start_with(methods, fastrand::f64)
    }

    /// The same with random numbers of the caller's: from 0 up to 1, without 1 itself.
    #[must_use]
    pub fn start_with(
        &self,
        methods: &[Method],
        draw: impl Fn() -> f64 + Send + Sync + 'static,
    ) -> Faults {
        let inner = || {
            Arc::new(Inner {
                served: Served::new(methods),
                any: AtomicBool::new(false),
                table: ArcSwap::default(),
                timer: Mutex::default(),
                draw: Box::new(draw),
                injected: Default::default(),
            })
        };
        Faults(self.enabled.then(inner))
    }
}

// === impl Faults ===

impl Faults {
    /// None, and none can be set.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Lets `meter` observe them, for as long as its provider lives.
    pub fn measure(&self, meter: &Meter) {
        metrics::measure(meter, self);
    }

    /// Whose calls an operator means: `*` for every method but gRPC's own, `Method` where one service has
    /// it, or `package.Service/Method`. `None` where faults cannot be set at all.
    ///
    /// # Errors
    /// When the server has no such method, or several.
    #[must_use]
    pub fn scope(&self, text: &str) -> Option<Result<Scope, UnknownMethod>> {
        Some(self.0.as_ref()?.served.scope(text))
    }

    /// Sets a fault, in the place of the one that its scope had. Must be called on a tokio runtime, which
    /// ends it in time.
    ///
    /// # Errors
    /// When the settings do not allow it.
    pub fn set(&self, scope: &Scope, fault: Fault) -> Result<Active, Disabled> {
        let inner = self.0.as_ref().ok_or(Disabled)?;
        let ends = fault.lasts().map(|it| Instant::now() + it);
        let entry = Arc::new(Entry::new(fault, ends));
        let mut timer = inner.lock();
        let replaced = inner.change(|table| table.set(scope.clone(), entry.clone()));
        if let Some(replaced) = replaced {
            log_end(scope, &replaced, Cause::Replaced);
        }
        let active = Active::new(scope, &entry);
        tracing::warn!(
            method = %scope,
            fault = %active.fault,
            lasts = active.fault.lasts().map(tracing::field::debug),
            "calls meet a fault on purpose"
        );
        *timer = Inner::timer(inner);
        drop(timer);
        Ok(active)
    }

    /// Ends the fault of a scope, if it has one.
    ///
    /// # Errors
    /// When the settings do not allow faults.
    pub fn clear(&self, scope: &Scope) -> Result<Option<Active>, Disabled> {
        let inner = self.0.as_ref().ok_or(Disabled)?;
        let _alone = inner.lock();
        let cleared = inner.change(|table| table.remove(scope));
        Ok(cleared.map(|entry| {
            log_end(scope, &entry, Cause::Cleared);
            Active::new(scope, &entry)
        }))
    }

    /// Ends all of them.
    ///
    /// # Errors
    /// When the settings do not allow faults.
    pub fn clear_all(&self) -> Result<Vec<Active>, Disabled> {
        let scopes: Vec<Scope> = self.list()?.into_iter().map(|it| it.scope).collect();
        let cleared = scopes.iter().map(|scope| self.clear(scope));
        cleared.filter_map(Result::transpose).collect()
    }

    /// Those that are set, in the order of their methods.
    ///
    /// # Errors
    /// When the settings do not allow faults.
    pub fn list(&self) -> Result<Vec<Active>, Disabled> {
        let table = self.0.as_ref().ok_or(Disabled)?.table.load();
        let entries = table.entries();
        Ok(entries
            .map(|(scope, entry)| Active::new(scope, entry))
            .collect())
    }

    /// How many are set.
    fn count(&self) -> usize {
        self.0
            .as_ref()
            .map_or(0, |it| it.table.load().entries().count())
    }

    /// How many calls met this since the start.
    fn injected(&self, kind: Kind) -> u64 {
        self.0
            .as_ref()
            .map_or(0, |it| it.injected[kind as usize].load(Ordering::Relaxed))
    }

    /// What a call of this path meets, if anything.
    fn meet(&self, path: &str) -> Option<Met> {
        let inner = self.0.as_ref()?;
        if !inner.any.load(Ordering::Relaxed) {
            return None;
        }
        let table = inner.table.load();
        let entry = table.find(path, &inner.served)?;
        let then = entry.fault.strikes((inner.draw)())?;
        entry.calls.fetch_add(1, Ordering::Relaxed);
        for kind in entry.fault.kinds() {
            inner.injected[kind as usize].fetch_add(1, Ordering::Relaxed);
        }
        let fault = entry.fault.clone();
        Some(Met { fault, then })
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Faults").field(&self.list().ok()).finish()
    }
}

// === impl Inner ===

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Option<AbortOnDropHandle<()>>> {
        // Nothing panics while it is locked.
        self.timer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a changed table in the place of the present one. Only for whoever has the lock.
    fn change<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        let mut table = Table::clone(&self.table.load());
        let result = change(&mut table);
        let any = table.entries().next().is_some();
        self.table.store(Arc::new(table));
        self.any.store(any, Ordering::Relaxed);
        result
    }

    /// Ends each fault in its time, until none is left that ends by itself. A fault that is cleared before
    /// costs one look at the table, at the time that it had.
    fn timer(this: &Arc<Self>) -> Option<AbortOnDropHandle<()>> {
        let mut next = this.table.load().next_end();
        let server = Arc::downgrade(this);
        next?;
        Some(AbortOnDropHandle::new(tokio::spawn(async move {
            while let Some(end) = next {
                sleep_until(end).await;
                let Some(inner) = server.upgrade() else {
                    return;
                };
                next = inner.expire(Instant::now());
            }
        })))
    }

    /// Ends what has had its time; tells when the next one has.
    fn expire(&self, now: Instant) -> Option<Instant> {
        let _alone = self.lock();
        for (scope, entry) in self.change(|table| table.expire(now)) {
            log_end(&scope, &entry, Cause::Expired);
        }
        self.table.load().next_end()
    }
}

fn log_end(scope: &Scope, entry: &Entry, cause: Cause) {
    tracing::warn!(
        method = %scope,
        fault = %entry.fault,
        calls = entry.calls.load(Ordering::Relaxed),
        cause = ?cause,
        "a fault has ended"
    );
}

// === impl Active ===

impl Active {
    fn new(scope: &Scope, entry: &Entry) -> Self {
        Self {
            scope: scope.clone(),
            fault: entry.fault.clone(),
            ends: entry.ends,
            calls: entry.calls.load(Ordering::Relaxed),
        }
    }
}
