//! One address: a task that keeps it connected, and what is known of it.
//!
//! The states and their order are those of gRPC's connectivity semantics. A subchannel never gives
//! up by itself; it ends when its address is no longer part of the target.

mod calls;
mod pool;
mod status;

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::uri::Authority;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

pub(crate) use self::calls::{Calls, Outcome};
pub use self::pool::Connections;
pub(crate) use self::pool::Pool;
pub(crate) use self::status::{Phase, Status};
use crate::backoff::{Attempts, Backoff};
use crate::health::{Check, Health};
use crate::metrics::Metrics;
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
    pub(crate) connections: Connections,
    pub(crate) metrics: Metrics,
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
    /// What `:authority` is there: that of the target, which the address belongs to.
    pub(crate) authority: Authority,
    pub(crate) calls: Arc<Calls>,
    status: Mutex<Status>,
}

/// What is remembered of a subchannel that was given up, for the next one of its address.
#[derive(Debug, Default)]
pub(crate) struct Past {
    calls: Arc<Calls>,
    connections: u64,
    cause: Option<Disconnect>,
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

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.config.metrics
    }
}

// === impl Subchannel ===

impl Subchannel {
    /// Begins to connect, in the background. Its figures go on where the `past` ended.
    pub(crate) fn spawn(
        address: Address,
        context: Context,
        health_service: Option<Arc<str>>,
        past: Past,
    ) -> Lease {
        let (sender, checked) = watch::channel(health_service);
        let subchannel = Arc::new(Self {
            address,
            authority: context.check.authority().clone(),
            calls: past.calls,
            status: Mutex::new(Status {
                phase: Phase::Connecting,
                connections: past.connections,
                cause: past.cause,
                failing: false,
                ejected: false,
                health: Health::default(),
            }),
        });
        let mut task = Task {
            subchannel: subchannel.clone(),
            attempts: Attempts::new(context.config.backoff),
            context,
            checked,
        };
        // Borrowed, since a future that takes its task by value holds it twice.
        tokio::spawn(async move { task.run().await });
        Lease {
            subchannel,
            checked: sender,
        }
    }

    pub(crate) fn status(&self) -> Status {
        self.lock().clone()
    }

    /// What the next subchannel of this address goes on from. Calls that are still in flight are
    /// counted there when they end.
    pub(crate) fn past(&self) -> Past {
        let status = self.lock();
        Past {
            calls: self.calls.clone(),
            connections: status.connections,
            cause: status.cause.clone(),
        }
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

/// Returns when the lease is dropped. Cancel-safe.
async fn ended(checked: &mut watch::Receiver<Option<Arc<str>>>) {
    while checked.changed().await.is_ok() {}
}

/// Waits for its turn and connects.
async fn connect(address: &Address, context: &Context) -> Result<(Connection, Driver), Disconnect> {
    let _turn = turn(context).await;
    transport::connect(address, &context.config.transport).await
}

/// Waits until few enough others connect. Cancel-safe.
async fn turn(context: &Context) -> Option<OwnedSemaphorePermit> {
    // It fails only when it is closed, which nobody does.
    context.connecting.clone().acquire_owned().await.ok()
}

// === impl Task ===

impl Task {
    async fn run(&mut self) {
        loop {
            let began = Instant::now();
            let turn = tokio::select! {
                () = ended(&mut self.checked) => break,
                turn = turn(&self.context) => turn,
            };
            // What a connection needs is large, and is there only while there is one or an attempt.
            let until = match Box::pin(self.attempt(began, turn)).await {
                ControlFlow::Continue(until) => until,
                ControlFlow::Break(()) => break,
            };
            tokio::select! {
                () = ended(&mut self.checked) => break,
                () = tokio::time::sleep_until(until) => {}
            }
            self.change(|status| status.phase = Phase::Connecting);
        }
        self.change(|status| status.phase = Phase::Shutdown);
    }

    /// Connects and serves until there is no connection, and says when to try again. Breaks when the
    /// subchannel is to end.
    async fn attempt(
        &mut self,
        began: Instant,
        turn: Option<OwnedSemaphorePermit>,
    ) -> ControlFlow<(), Instant> {
        let transport = &self.context.config.transport;
        let connected = tokio::select! {
            () = ended(&mut self.checked) => return ControlFlow::Break(()),
            connected = transport::connect(&self.subchannel.address, transport) => connected,
        };
        drop(turn);
        match connected {
            Ok((connection, driver)) => {
                self.attempts.succeeded();
                self.serve(connection, driver).await?;
                ControlFlow::Continue(began + SPACING)
            }
            Err(cause) => ControlFlow::Continue(self.failed(cause, began)),
        }
    }

    /// Offers a connection to calls until it takes no more of them. Breaks when the subchannel is to
    /// end.
    async fn serve(&mut self, connection: Connection, mut driver: Driver) -> ControlFlow<()> {
        tracing::debug!(address = %self.subchannel.address, "connected");
        let open = self.context.metrics().connected();
        let checked = self.checked.borrow().is_some();
        let pool = Pool::new(connection.clone(), self.context.config.connections);
        let _growing = pool.grow(&self.subchannel, &self.context);
        self.change(|status| {
            status.phase = Phase::Ready(pool.clone());
            status.connections += 1;
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
        drop((connection, pool));
        // The calls in flight go on while a new connection is made.
        tokio::spawn(driver.finish());
        let Some(cause) = closing else {
            return ControlFlow::Break(());
        };
        open.lost(&cause);
        tracing::debug!(address = %self.subchannel.address, %cause, "disconnected");
        if cause.is_too_many_pings() {
            self.ping_less();
        }
        self.change(|status| {
            status.phase = Phase::Connecting;
            status.cause = Some(cause);
        });
        ControlFlow::Continue(())
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
        self.context.metrics().connection_failed();
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::uri::{Authority, Scheme};
    use std::net::{Ipv4Addr, SocketAddr};

    #[tokio::test]
    async fn a_subchannel_that_waits_keeps_less_than_a_kibibyte() {
        let check = Check::new(
            Scheme::HTTP,
            Authority::from_static("echo:50051"),
            HeaderValue::from_static("test"),
        );
        let (sender, _changes) = mpsc::unbounded_channel();
        let context = Context::new(Config::default(), check, 1, sender);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9)).into();
        let lease = Subchannel::spawn(address, context.clone(), None);
        let mut task = Task {
            subchannel: lease.subchannel.clone(),
            attempts: Attempts::new(Backoff::default()),
            context,
            checked: lease.checked.subscribe(),
        };
        let sizes = [
            size_of::<Subchannel>(),
            size_of::<Task>(),
            size_of_val(&task.run()),
        ];
        assert!(sizes.iter().sum::<usize>() <= 1_024, "{sizes:?}");
    }
}
