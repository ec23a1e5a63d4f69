//! One address: a task that keeps it connected, and what is known of it.
//!
//! The states and their order are those of gRPC's connectivity semantics. A subchannel never gives
//! up by itself; it ends when its address is no longer part of the target.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::backoff::{Attempts, Backoff};
use crate::connectivity::State;
use crate::health::{Check, Health, Unhealthy};
use crate::resolver::Address;
use crate::transport::{self, Connection, Disconnect, Driver};

/// The shortest time from one successful attempt to the next, so that a peer that accepts and closes
/// at once is not met by a busy loop. It is too short to matter for one that drains.
const SPACING: Duration = Duration::from_millis(50);

/// How the subchannels of a channel behave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    pub(crate) transport: transport::Config,
    pub(crate) backoff: Backoff,
}

/// What the subchannels of a channel share.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    config: Config,
    check: Check,
    /// Bounds how many connections are made at the same time.
    connecting: Arc<Semaphore>,
    /// Tells the balancer that some subchannel has changed.
    changes: mpsc::UnboundedSender<()>,
}

/// What is known of one address. The task, the balancer, the calls and the statistics share it.
#[derive(Debug)]
pub(crate) struct Subchannel {
    pub(crate) address: Address,
    pub(crate) calls: Calls,
    status: Mutex<Status>,
}

/// Where a subchannel stands.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) phase: Phase,
    /// How many connections there have been; tells one connection from the next.
    pub(crate) connections: u64,
    /// Why there is no connection, or why the last one ended.
    pub(crate) cause: Option<Disconnect>,
    /// Whether the last attempt to connect failed.
    pub(crate) failing: bool,
    /// Whether it is left out for failing more calls than the others (gRFC A50).
    pub(crate) ejected: bool,
    /// What the replica says of itself over the present connection (gRFC A17).
    pub(crate) health: Health,
}

#[derive(Clone, Debug)]
pub(crate) enum Phase {
    Connecting,
    Ready(Connection),
    Failed { attempts: u32, retry_at: Instant },
    Shutdown,
}

/// What the calls on one address came to.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    started: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
}

/// Ends the subchannel's task when it is dropped: calls in flight finish, and then the connection
/// closes.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) subchannel: Arc<Subchannel>,
    checked: watch::Sender<Option<Arc<str>>>,
}

struct Task {
    subchannel: Arc<Subchannel>,
    context: Context,
    attempts: Attempts,
    /// The service whose health is watched; closed when the lease is dropped.
    checked: watch::Receiver<Option<Arc<str>>>,
}

// === impl Context ===

impl Context {
    pub(crate) fn new(
        config: Config,
        check: Check,
        max_connecting: usize,
        changes: mpsc::UnboundedSender<()>,
    ) -> Self {
        Self {
            config,
            check,
            connecting: Arc::new(Semaphore::new(max_connecting)),
            changes,
        }
    }
}

// === impl Subchannel ===

impl Subchannel {
    /// Begins to connect, in the background.
    pub(crate) fn spawn(
        address: Address,
        context: Context,
        health_service: Option<Arc<str>>,
    ) -> Lease {
        let (sender, checked) = watch::channel(health_service);
        let subchannel = Arc::new(Self {
            address,
            calls: Calls::default(),
            status: Mutex::new(Status {
                phase: Phase::Connecting,
                connections: 0,
                cause: None,
                failing: false,
                ejected: false,
                health: Health::default(),
            }),
        });
        let task = Task {
            subchannel: subchannel.clone(),
            attempts: Attempts::new(context.config.backoff),
            context,
            checked,
        };
        tokio::spawn(task.run());
        Lease {
            subchannel,
            checked: sender,
        }
    }

    pub(crate) fn status(&self) -> Status {
        self.lock().clone()
    }

    fn change(&self, context: &Context, change: impl FnOnce(&mut Status)) {
        change(&mut self.lock());
        // The balancer is gone only when the channel is.
        let _ = context.changes.send(());
    }

    fn set_health(&self, context: &Context, health: Health) {
        if let Health::Unhealthy(why) = &health {
            tracing::debug!(address = %self.address, %why, "unhealthy");
        }
        self.change(context, |status| {
            status.failing &= health != Health::Serving;
            status.health = health;
        });
    }

    /// Returns whether that is a change.
    pub(crate) fn set_ejected(&self, ejected: bool) -> bool {
        std::mem::replace(&mut self.lock().ejected, ejected) != ejected
    }

    /// A panic cannot happen while the status is locked; if it did, the status would be whole.
    fn lock(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Lease ===

impl Lease {
    /// Watches the health of a service from now on, or of none. Until the first answer the replica
    /// counts as what it counted before.
    pub(crate) fn check_health(&self, service: Option<&Arc<str>>) {
        self.checked.send_if_modified(|checked| {
            let differs = checked.as_ref() != service;
            if differs {
                *checked = service.cloned();
            }
            differs
        });
    }
}

// === impl Status ===

impl Status {
    pub(crate) fn state(&self) -> State {
        match self.phase {
            Phase::Connecting => State::Connecting,
            Phase::Ready(_) if self.ejected => State::TransientFailure,
            Phase::Ready(_) => match self.health {
                Health::Serving => State::Ready,
                Health::Unknown => State::Connecting,
                Health::Unhealthy(_) => State::TransientFailure,
            },
            Phase::Failed { .. } => State::TransientFailure,
            Phase::Shutdown => State::Shutdown,
        }
    }

    /// The state that counts for the channel as a whole: an address that could not be reached stays
    /// in `TRANSIENT_FAILURE` until it is READY (gRFC A62). Otherwise calls would wait for each new
    /// attempt, which takes long when nobody answers, only to fail with what is known already.
    pub(crate) fn lasting_state(&self) -> State {
        match self.state() {
            State::Connecting if self.failing => State::TransientFailure,
            state => state,
        }
    }

    /// The connection that takes calls, if the subchannel is READY.
    pub(crate) fn connection(&self) -> Option<&Connection> {
        match &self.phase {
            Phase::Ready(connection) if self.state() == State::Ready => Some(connection),
            _ => None,
        }
    }

    /// Why no calls are wanted over the present connection.
    pub(crate) fn unhealthy(&self) -> Option<&Unhealthy> {
        match (&self.phase, &self.health) {
            (Phase::Ready(_), Health::Unhealthy(why)) => Some(why),
            _ => None,
        }
    }

    /// Whether the first attempt, and the first question for its health, has not ended yet.
    pub(crate) fn is_new(&self) -> bool {
        match self.phase {
            Phase::Connecting => self.connections == 0 && self.cause.is_none(),
            Phase::Ready(_) => self.connections == 1 && self.health == Health::Unknown,
            Phase::Failed { .. } | Phase::Shutdown => false,
        }
    }
}

// === impl Calls ===

impl Calls {
    pub(crate) fn start(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self, ok: bool) {
        let counter = if ok { &self.succeeded } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// How many have begun and not ended.
    pub(crate) fn in_flight(&self) -> u64 {
        // What has ended is read first, since it began before.
        let ended = self.succeeded() + self.failed();
        self.started().saturating_sub(ended)
    }

    pub(crate) fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    pub(crate) fn succeeded(&self) -> u64 {
        self.succeeded.load(Ordering::Relaxed)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

/// Returns when the lease is dropped. Cancel-safe.
async fn ended(checked: &mut watch::Receiver<Option<Arc<str>>>) {
    while checked.changed().await.is_ok() {}
}

/// Waits for its turn and connects.
async fn connect(address: &Address, context: &Context) -> Result<(Connection, Driver), Disconnect> {
    // It fails only when it is closed, which nobody does.
    let _turn = context.connecting.acquire().await.ok();
    transport::connect(address, &context.config.transport).await
}

// === impl Task ===

impl Task {
    async fn run(mut self) {
        loop {
            let began = Instant::now();
            let connected = tokio::select! {
                () = ended(&mut self.checked) => break,
                connected = connect(&self.subchannel.address, &self.context) => connected,
            };
            let until = match connected {
                Ok((connection, driver)) => {
                    self.attempts.succeeded();
                    if self.serve(connection, driver).await.is_break() {
                        break;
                    }
                    began + SPACING
                }
                Err(cause) => self.failed(cause, began),
            };
            tokio::select! {
                () = ended(&mut self.checked) => break,
                () = tokio::time::sleep_until(until) => {}
            }
            self.change(|status| status.phase = Phase::Connecting);
        }
        self.change(|status| status.phase = Phase::Shutdown);
    }

    /// Offers a connection to calls until it takes no more of them. Breaks when the subchannel is to
    /// end.
    async fn serve(
        &mut self,
        connection: Connection,
        mut driver: Driver,
    ) -> std::ops::ControlFlow<()> {
        tracing::debug!(address = %self.subchannel.address, "connected");
        let checked = self.checked.borrow().is_some();
        self.change(|status| {
            status.phase = Phase::Ready(connection.clone());
            status.connections += 1;
            status.cause = None;
            status.failing &= checked;
            status.health = if checked {
                Health::Unknown
            } else {
                Health::Serving
            };
        });
        let closing = loop {
            let _watching = self.watch_health(&connection);
            tokio::select! {
                changed = self.checked.changed() => if changed.is_err() {
                    break None;
                },
                cause = driver.until_closing() => break Some(cause),
            }
        };
        drop(connection);
        // The calls in flight go on while a new connection is made.
        tokio::spawn(driver.finish());
        let Some(cause) = closing else {
            return std::ops::ControlFlow::Break(());
        };
        tracing::debug!(address = %self.subchannel.address, %cause, "disconnected");
        if cause.is_too_many_pings() {
            self.ping_less();
        }
        self.change(|status| {
            status.phase = Phase::Connecting;
            status.cause = Some(cause);
        });
        std::ops::ControlFlow::Continue(())
    }

    /// Watches what is to be watched, until the result is dropped.
    fn watch_health(&mut self, connection: &Connection) -> Option<AbortOnDropHandle<()>> {
        let service = self.checked.borrow_and_update().clone();
        let Some(service) = service else {
            if self.subchannel.status().health != Health::Serving {
                self.subchannel.set_health(&self.context, Health::Serving);
            }
            return None;
        };
        let (subchannel, context) = (self.subchannel.clone(), self.context.clone());
        let (check, backoff) = (context.check.clone(), context.config.backoff);
        let report = move |health| subchannel.set_health(&context, health);
        let watching = check.watch(connection.clone(), service, backoff, report);
        Some(AbortOnDropHandle::new(tokio::spawn(watching)))
    }

    /// Notes a failed attempt and says when the next one is due, counted from this one's beginning.
    fn failed(&mut self, cause: Disconnect, began: Instant) -> Instant {
        let wait = self.attempts.failed(fastrand::f64());
        let retry_at = (began + wait).max(Instant::now());
        tracing::debug!(address = %self.subchannel.address, %cause, ?wait, "could not connect");
        let attempts = self.attempts.failures();
        self.change(|status| {
            status.phase = Phase::Failed { attempts, retry_at };
            status.cause = Some(cause);
            status.failing = true;
        });
        retry_at
    }

    /// Doubles the keepalive time, as gRFC A8 asks after `too_many_pings`.
    fn ping_less(&mut self) {
        if let Some(keepalive) = &mut self.context.config.transport.keepalive {
            keepalive.time *= 2;
            tracing::warn!(
                address = %self.subchannel.address,
                time = ?keepalive.time,
                "the server refuses this many keepalive pings; the keepalive time is doubled",
            );
        }
    }

    fn change(&self, change: impl FnOnce(&mut Status)) {
        self.subchannel.change(&self.context, change);
    }
}
