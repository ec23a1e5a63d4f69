//! One address: a task that keeps it connected, and what is known of it.
//!
//! The states and their order are those of gRPC's connectivity semantics. A subchannel never gives
//! up by itself; it ends when its address is no longer part of the target.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use crate::backoff::{Attempts, Backoff};
use crate::connectivity::State;
use crate::resolver::Address;
use crate::transport::{self, Connection, Disconnect, Driver};

/// The shortest time from one successful attempt to the next, so that a peer that accepts and closes
/// at once is not met by a busy loop. It is too short to matter for one that drains.
const SPACING: Duration = Duration::from_millis(50);

/// How the subchannels of a channel behave.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Config {
    pub(crate) transport: transport::Config,
    pub(crate) backoff: Backoff,
}

/// What the subchannels of a channel share.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    config: Config,
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
    _end: oneshot::Sender<()>,
}

struct Task {
    subchannel: Arc<Subchannel>,
    context: Context,
    attempts: Attempts,
    end: oneshot::Receiver<()>,
}

// === impl Context ===

impl Context {
    pub(crate) fn new(
        config: Config,
        max_connecting: usize,
        changes: mpsc::UnboundedSender<()>,
    ) -> Self {
        Self {
            config,
            connecting: Arc::new(Semaphore::new(max_connecting)),
            changes,
        }
    }
}

// === impl Subchannel ===

impl Subchannel {
    /// Begins to connect, in the background.
    pub(crate) fn spawn(address: Address, context: Context) -> Lease {
        let (lease, end) = oneshot::channel();
        let subchannel = Arc::new(Self {
            address,
            calls: Calls::default(),
            status: Mutex::new(Status {
                phase: Phase::Connecting,
                connections: 0,
                cause: None,
                failing: false,
                ejected: false,
            }),
        });
        let task = Task {
            subchannel: subchannel.clone(),
            attempts: Attempts::new(context.config.backoff),
            context,
            end,
        };
        tokio::spawn(task.run());
        Lease {
            subchannel,
            _end: lease,
        }
    }

    pub(crate) fn status(&self) -> Status {
        self.lock().clone()
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

// === impl Status ===

impl Status {
    pub(crate) fn state(&self) -> State {
        match self.phase {
            Phase::Connecting => State::Connecting,
            Phase::Ready(_) if self.ejected => State::TransientFailure,
            Phase::Ready(_) => State::Ready,
            Phase::Failed { .. } => State::TransientFailure,
            Phase::Shutdown => State::Shutdown,
        }
    }

    /// The state that counts for the channel as a whole: an address that could not be reached stays
    /// in `TRANSIENT_FAILURE` until it is READY (gRFC A62). Otherwise calls would wait for each new
    /// attempt, which takes long when nobody answers, only to fail with what is known already.
    pub(crate) fn lasting_state(&self) -> State {
        match self.phase {
            Phase::Connecting if self.failing => State::TransientFailure,
            _ => self.state(),
        }
    }

    /// The connection that takes calls, if the subchannel is READY.
    pub(crate) fn connection(&self) -> Option<&Connection> {
        match &self.phase {
            Phase::Ready(connection) if self.state() == State::Ready => Some(connection),
            _ => None,
        }
    }

    /// Whether the first attempt has not ended yet.
    pub(crate) fn is_new(&self) -> bool {
        matches!(self.phase, Phase::Connecting) && self.connections == 0 && self.cause.is_none()
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

/// Waits for its turn and connects.
async fn connect(address: &Address, context: &Context) -> Result<(Connection, Driver), Disconnect> {
    // It fails only when it is closed, which nobody does.
    let _turn = context.connecting.acquire().await.ok();
    transport::connect(address, context.config.transport).await
}

// === impl Task ===

impl Task {
    async fn run(mut self) {
        loop {
            let began = Instant::now();
            let connected = tokio::select! {
                _ = &mut self.end => break,
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
                _ = &mut self.end => break,
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
        self.change(|status| {
            status.phase = Phase::Ready(connection);
            status.connections += 1;
            status.cause = None;
            status.failing = false;
        });
        let closing = tokio::select! {
            _ = &mut self.end => None,
            cause = driver.until_closing() => Some(cause),
        };
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
        change(&mut self.subchannel.lock());
        // The balancer is gone only when the channel is.
        let _ = self.context.changes.send(());
    }
}
