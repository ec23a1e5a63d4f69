//! The two halves of a connection: [`Connection`], which calls share, and [`Driver`], which one task
//! polls.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use h2::client::SendRequest;
use h2::{Ping, PingPong};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};

use super::disconnect::Disconnect;
use super::keepalive::{Action, Keepalive, Watch};
use super::metered::{Metered, Reads};
use super::room::Room;
use super::socket::{Loss, Socket};
use crate::resolver::Address;

/// What a peer may send on one stream before it is read: enough for 100 MB/s at 10 ms of round trip.
const STREAM_WINDOW: u32 = 1 << 20;

/// What a peer may send on all streams together before it is read: as much as HTTP/2 allows. The
/// window of each stream bounds it; a smaller one would let a few streams that nobody reads stop
/// every other call on the connection.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// What a response's metadata may amount to; h2 refuses more. gRPC's default is 8 KiB, too little
/// for the error details of a request with many violations.
const MAX_HEADER_LIST: u32 = 64 << 10;

/// How a call reaches the connection. Cloning it touches nothing but a counter.
#[derive(Clone, Debug)]
pub(crate) struct Connection(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Cloned for each call: h2 keeps a call's place in the queue for streams in it.
    sender: SendRequest<Bytes>,
    address: Address,
    gauge: Arc<Gauge>,
}

/// What the calls and the driver tell each other. It does not keep the connection open.
#[derive(Debug, Default)]
struct Gauge {
    in_flight: AtomicUsize,
    /// How many streams the peer allows at the same time, as the driver saw last.
    max_streams: AtomicUsize,
    /// Who is told that a call has ended.
    room: OnceLock<Arc<Room>>,
    /// Makes the driver look whether the connection still takes calls.
    doubt: AtomicWaker,
    /// Why the driver closes a connection that is still open, or what TLS said at its end: h2 knows
    /// neither.
    given_up: Loss,
}

/// Counts one call as in flight for as long as it lives.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Gauge>);

/// A place for one call on a connection.
#[derive(Debug)]
pub(crate) struct Reservation {
    pub(super) connection: Connection,
    pub(super) in_flight: InFlight,
}

/// Moves bytes between the socket and the streams, and watches whether the peer lives.
///
/// Dropping it closes the socket at once and fails the calls in flight.
pub(crate) struct Driver {
    connection: h2::client::Connection<Metered<Socket>, Bytes>,
    /// Learns of a GOAWAY while streams still run; also keeps the connection open without calls.
    probe: Option<SendRequest<Bytes>>,
    gauge: Arc<Gauge>,
    keepalive: Option<KeepaliveDriver>,
}

struct KeepaliveDriver {
    config: Keepalive,
    watch: Watch,
    ping_pong: PingPong,
    reads: Reads,
    seen: u64,
    timer: Pin<Box<Sleep>>,
    /// Whether the timer was set and has not fired. It is left alone until it fires: moving it at
    /// every read would cost more than the read.
    armed: bool,
}

/// Speaks HTTP/2 on a fresh socket until the peer has answered a first ping.
pub(super) async fn establish(
    address: Address,
    socket: Socket,
    loss: Loss,
    keepalive: Option<Keepalive>,
) -> Result<(Connection, Driver), Disconnect> {
    let (socket, reads) = Metered::new(socket);
    let (sender, mut connection) = h2::client::Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADER_LIST)
        // Calls that are cancelled make resets. h2 would end the connection, and with it the other
        // calls, after a thousand of them that crossed with the server's frames.
        .max_concurrent_reset_streams(1_024)
        .max_local_error_reset_streams(None)
        .handshake(socket)
        .await
        .map_err(|error| Disconnect::from_h2(&error))?;
    let mut ping_pong = connection
        .ping_pong()
        .ok_or_else(|| Disconnect::Protocol("no pings are to be had".to_owned()))?;
    first_pong(&mut connection, &mut ping_pong)
        .await
        .map_err(|cause| loss.get().cloned().unwrap_or(cause))?;

    let gauge = Arc::new(Gauge {
        max_streams: AtomicUsize::new(sender.current_max_send_streams()),
        given_up: loss,
        ..Gauge::default()
    });
    let driver = Driver {
        connection,
        probe: Some(sender.clone()),
        gauge: gauge.clone(),
        keepalive: keepalive.map(|config| KeepaliveDriver::new(config, ping_pong, reads)),
    };
    let connection = Connection(Arc::new(Shared {
        sender,
        address,
        gauge,
    }));
    Ok((connection, driver))
}

async fn first_pong<T: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut h2::client::Connection<T, Bytes>,
    ping_pong: &mut PingPong,
) -> Result<(), Disconnect> {
    ping_pong
        .send_ping(Ping::opaque())
        .map_err(|error| Disconnect::from_h2(&error))?;
    poll_fn(|cx| {
        if let Poll::Ready(ended) = Pin::new(&mut *connection).poll(cx) {
            return Poll::Ready(Err(ending(ended)));
        }
        ping_pong
            .poll_pong(cx)
            .map(|pong| pong.map(drop).map_err(|error| Disconnect::from_h2(&error)))
    })
    .await
}

fn ending(result: Result<(), h2::Error>) -> Disconnect {
    match result {
        Ok(()) => Disconnect::Closed,
        Err(error) => Disconnect::from_h2(&error),
    }
}

// === impl Connection ===

impl Connection {
    /// How many calls are in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.0.gauge.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn sender(&self) -> SendRequest<Bytes> {
        self.0.sender.clone()
    }

    pub(super) fn address(&self) -> &Address {
        &self.0.address
    }

    /// A call found the connection closed to new calls; its driver may not have noticed, for
    /// example when the stream identifiers are used up.
    pub(super) fn doubt(&self) {
        self.0.gauge.doubt.wake();
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Tells `room` of every call that ends from now on, and watches how many streams the peer
    /// allows.
    pub(crate) fn share(&self, room: Arc<Room>) {
        // Nobody else does this to a new connection.
        let _ = self.0.gauge.room.set(room);
        self.doubt();
    }

    /// A place for one more call; beyond what the peer allows it waits for its turn.
    pub(crate) fn reserve(&self) -> Reservation {
        self.0.gauge.in_flight.fetch_add(1, Ordering::SeqCst);
        self.reserved()
    }

    /// Whether there are fewer calls than `most` and than the peer allows.
    pub(crate) fn has_room(&self, most: usize) -> bool {
        let max = self.0.gauge.max_streams.load(Ordering::Relaxed);
        self.in_flight() < most.min(max)
    }

    /// A place for one more call, if there are fewer than `most` and than the peer allows.
    pub(crate) fn try_reserve(&self, most: usize) -> Option<Reservation> {
        let gauge = &self.0.gauge;
        let most = most.min(gauge.max_streams.load(Ordering::Relaxed));
        let take = |calls: usize| (calls < most).then_some(calls + 1);
        gauge
            .in_flight
            .try_update(Ordering::SeqCst, Ordering::SeqCst, take)
            .ok()?;
        Some(self.reserved())
    }

    fn reserved(&self) -> Reservation {
        Reservation {
            connection: self.clone(),
            in_flight: InFlight(self.0.gauge.clone()),
        }
    }
}

// === impl Gauge ===

impl Gauge {
    /// Why the connection ended, where h2 says `cause`.
    fn cause(&self, cause: Disconnect) -> Disconnect {
        self.given_up.get().cloned().unwrap_or(cause)
    }
}

// === impl InFlight ===

impl InFlight {
    /// Why the connection was given up, if it was.
    pub(super) fn given_up(&self) -> Option<&Disconnect> {
        self.0.given_up.get()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
        if let Some(room) = self.0.room.get() {
            room.freed();
        }
    }
}

// === impl Driver ===

impl Driver {
    /// Drives the connection until it takes no more calls, and says why. Calls in flight may still
    /// run after that; [`finish`](Self::finish) sees them through. Cancel-safe.
    pub(crate) async fn until_closing(&mut self) -> Disconnect {
        poll_fn(|cx| {
            self.gauge.doubt.register(cx.waker());
            let driven = self.poll_drive(cx);
            if let Poll::Ready(ended) = &driven
                && *ended != Disconnect::Closed
            {
                return driven;
            }
            // A GOAWAY also ends a connection without calls, and only the handle tells of it then.
            match self.probe.as_mut().map(|probe| probe.poll_ready(cx)) {
                Some(Poll::Ready(Err(error))) => {
                    Poll::Ready(self.gauge.cause(Disconnect::from_h2(&error)))
                }
                _ => driven,
            }
        })
        .await
    }

    /// Drives the connection until the last call has ended and nobody holds its [`Connection`] any
    /// more; h2 then says GOAWAY to the peer and closes.
    pub(crate) async fn finish(mut self) {
        self.probe = None;
        poll_fn(|cx| self.poll_drive(cx)).await;
    }

    fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<Disconnect> {
        if let Poll::Ready(ended) = Pin::new(&mut self.connection).poll(cx) {
            return Poll::Ready(self.gauge.cause(ending(ended)));
        }
        if let Some(room) = self.gauge.room.get()
            && let Some(probe) = &self.probe
        {
            let max = probe.current_max_send_streams();
            if self.gauge.max_streams.swap(max, Ordering::Relaxed) != max {
                room.changed();
            }
        }
        match &mut self.keepalive {
            Some(keepalive) => keepalive.poll(cx, &self.gauge.in_flight).map(|cause| {
                // Another cause is there only if it was given up before, for the same reason.
                let _ = self.gauge.given_up.set(cause.clone());
                cause
            }),
            None => Poll::Pending,
        }
    }
}

// === impl KeepaliveDriver ===

impl KeepaliveDriver {
    fn new(config: Keepalive, ping_pong: PingPong, reads: Reads) -> Self {
        let now = Instant::now();
        Self {
            config,
            watch: Watch::new(config, now.into_std()),
            ping_pong,
            seen: reads.count(),
            reads,
            timer: Box::pin(tokio::time::sleep_until(now)),
            armed: false,
        }
    }

    /// Ready when the peer is to be given up.
    fn poll(&mut self, cx: &mut Context<'_>, in_flight: &AtomicUsize) -> Poll<Disconnect> {
        let reads = self.reads.count();
        if reads != self.seen {
            self.seen = reads;
            if self.watch.heard(Instant::now().into_std()) {
                // The timer waits for the answer that has come; the next ping may be due earlier.
                self.armed = false;
            }
        }
        // The answer is also a read; polling it lets h2 send the next ping. An error would end the
        // connection as well, which says more about it.
        let _ = self.ping_pong.poll_pong(cx);
        loop {
            if self.armed && self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.armed = false;
            let now = Instant::now();
            let calls = in_flight.load(Ordering::Relaxed) > 0;
            match self.watch.action(now.into_std(), calls) {
                Action::WaitForCall => return Poll::Pending,
                Action::WaitUntil(due) => self.arm(due.into()),
                Action::GiveUp => {
                    return Poll::Ready(Disconnect::KeepaliveTimeout(self.config.timeout));
                }
                Action::Ping => {
                    self.watch.pinged(now.into_std());
                    // It fails only when an older ping is unanswered or the connection is closing;
                    // either way the deadline that `pinged` has set holds.
                    let _ = self.ping_pong.send_ping(Ping::opaque());
                }
            }
        }
    }

    fn arm(&mut self, at: Instant) {
        self.timer.as_mut().reset(at);
        self.armed = true;
    }
}
