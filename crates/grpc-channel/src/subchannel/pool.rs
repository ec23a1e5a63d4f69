//! The connections of one subchannel: usually one, and more while its calls need them.
//!
//! A peer bounds the calls on one connection (`MAX_CONCURRENT_STREAMS`); what is beyond waits for
//! its turn. gRFC [A105] opens another connection instead. The replica stays one entry in the
//! rotation, however many connections it has, so the spread over the replicas is the same.
//!
//! The first connection decides about the subchannel: when it takes no more calls, the others drain
//! with it, and a new one is made.
//!
//! [A105]: https://github.com/grpc/proposal/pull/516

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;

use super::{Context, Subchannel};
use crate::backoff::Attempts;
use crate::metrics::OpenConnection;
use crate::transport::{Connection, Driver, Failure, Reservation, Room};

/// How many connections one replica may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connections {
    /// The most connections to one replica, at least 1. Another is opened when every one has as many
    /// calls as its peer allows, or [`max_calls`](Self::max_calls). Default: 1, as in gRFC A105,
    /// since servers and their limits expect one connection from each client.
    pub max: usize,
    /// The most calls on one connection before another is opened, at least 1. Beyond `max`
    /// connections it is no limit. Default: as many as the peer allows.
    pub max_calls: usize,
    /// How long a connection beyond the first has no calls before it is closed; it may take up to
    /// twice as long. Default: 30 s.
    pub idle: Duration,
}

/// What calls take their places from.
#[derive(Clone, Debug)]
pub(crate) struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: Connections,
    first: Connection,
    more: ArcSwap<Vec<Connection>>,
    room: Arc<Room>,
    /// Asks for another connection.
    wanted: Notify,
    /// Whether asking is of no use: the last attempt failed, or the pool has ended.
    resting: AtomicBool,
}

/// What a call finds.
enum Found {
    Place(Reservation),
    /// Every connection is full, and this one has the fewest calls.
    Line(Connection),
}

/// Opens connections while it is held. When it is dropped, those beyond the first drain.
pub(super) struct Growing {
    pool: Pool,
    _task: AbortOnDropHandle<()>,
    _drain: DropGuard,
}

// === impl Connections ===

impl Default for Connections {
    fn default() -> Self {
        Self {
            max: 1,
            max_calls: usize::MAX,
            idle: Duration::from_secs(30),
        }
    }
}

// === impl Pool ===

impl Pool {
    pub(super) fn new(first: Connection, config: Connections) -> Self {
        let room = Arc::<Room>::default();
        if config.max > 1 {
            first.share(room.clone());
        }
        Self(Arc::new(Shared {
            config,
            first,
            more: ArcSwap::default(),
            room,
            wanted: Notify::new(),
            resting: AtomicBool::new(false),
        }))
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        1 + self.0.more.load().len()
    }

    /// A place for one call. It waits while another connection is being opened for it, or for its
    /// turn when there are enough. Cancel-safe.
    ///
    /// # Errors
    ///
    /// When the connection that it waited for takes no more calls.
    pub(crate) async fn reserve(&self) -> Result<Reservation, Failure> {
        if self.0.config.max == 1 {
            return self.0.first.reserve().await;
        }
        let found = match self.try_reserve() {
            Some(found) => found,
            None => self.0.room.wait(|| self.try_reserve()).await,
        };
        match found {
            Found::Place(reservation) => Ok(reservation),
            Found::Line(connection) => connection.reserve().await,
        }
    }

    /// `None` when it is worth while to wait for another connection.
    fn try_reserve(&self) -> Option<Found> {
        let Shared { config, first, .. } = &*self.0;
        let more = self.0.more.load();
        // The first that has room, so that the last ones become idle.
        let connections = || std::iter::once(first).chain(more.iter());
        let free = |connection: &Connection| connection.try_reserve(config.max_calls);
        if let Some(reservation) = connections().find_map(free) {
            return Some(Found::Place(reservation));
        }
        if more.len() + 1 < config.max && !self.0.resting.load(Ordering::SeqCst) {
            self.0.wanted.notify_one();
            return None;
        }
        let least = connections().min_by_key(|connection| connection.in_flight());
        Some(Found::Line(least.unwrap_or(first).clone()))
    }

    fn has_room(&self) -> bool {
        let Shared { config, first, .. } = &*self.0;
        let more = self.0.more.load();
        let mut connections = std::iter::once(first).chain(more.iter());
        connections.any(|connection| connection.has_room(config.max_calls))
    }

    /// Opens connections as they are wanted; `None` when there is only to be one.
    pub(super) fn grow(&self, subchannel: &Arc<Subchannel>, context: &Context) -> Option<Growing> {
        if self.0.config.max == 1 {
            return None;
        }
        let drain = CancellationToken::new();
        let growing = grow(
            self.clone(),
            subchannel.clone(),
            context.clone(),
            drain.clone(),
        );
        Some(Growing {
            pool: self.clone(),
            _task: AbortOnDropHandle::new(tokio::spawn(growing)),
            _drain: drain.drop_guard(),
        })
    }

    fn add(&self, connection: &Connection) {
        connection.share(self.0.room.clone());
        self.0.more.rcu(|more| {
            let mut more = Vec::clone(more);
            more.push(connection.clone());
            more
        });
        self.0.room.changed();
    }

    fn remove(&self, connection: &Connection) {
        self.0.more.rcu(|more| {
            let mut more = Vec::clone(more);
            more.retain(|known| !known.is_same(connection));
            more
        });
        // Who waits may want another in its place.
        self.0.room.changed();
    }

    fn rest(&self, resting: bool) {
        self.0.resting.store(resting, Ordering::SeqCst);
        self.0.room.changed();
    }
}

async fn grow(pool: Pool, subchannel: Arc<Subchannel>, context: Context, drain: CancellationToken) {
    let mut attempts = Attempts::new(context.config.backoff);
    loop {
        pool.0.wanted.notified().await;
        // Another may have been opened since it was wanted, and who wanted it be served.
        let wanted = pool.0.room.is_awaited() && !pool.has_room();
        if !wanted || pool.open() >= pool.0.config.max {
            continue;
        }
        match super::connect(&subchannel.address, &context).await {
            Ok((connection, driver)) => {
                attempts.succeeded();
                pool.add(&connection);
                subchannel.change(&context, |status| status.connections += 1);
                let open = context.metrics().connected();
                let driving = drive(pool.clone(), connection, driver, drain.clone(), open);
                tokio::spawn(driving);
            }
            Err(cause) => {
                context.metrics().connection_failed();
                let wait = attempts.failed(fastrand::f64());
                tracing::debug!(
                    address = %subchannel.address, %cause, ?wait, "could not connect once more"
                );
                pool.rest(true);
                tokio::time::sleep(wait).await;
                pool.rest(false);
            }
        }
    }
}

/// Drives a connection beyond the first, until it is not needed or takes no more calls, and then
/// until its last call has ended.
async fn drive(
    pool: Pool,
    connection: Connection,
    mut driver: Driver,
    drain: CancellationToken,
    open: OpenConnection,
) {
    tokio::select! {
        cause = driver.until_closing() => open.lost(&cause),
        () = drain.cancelled() => open.closed(),
        () = idle(&connection, pool.0.config.idle) => open.closed(),
    }
    pool.remove(&connection);
    drop((connection, pool));
    driver.finish().await;
}

/// Returns when a connection had no call at the beginning and at the end of an interval.
async fn idle(connection: &Connection, interval: Duration) {
    let mut unused = false;
    loop {
        tokio::time::sleep(interval).await;
        let now = connection.in_flight() == 0;
        if now && unused {
            return;
        }
        unused = now;
    }
}

// === impl Growing ===

impl Drop for Growing {
    fn drop(&mut self) {
        // Who waits for another connection goes on, finds the first one closed, and is sent elsewhere.
        self.pool.rest(true);
    }
}
