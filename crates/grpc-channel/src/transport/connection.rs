//! The half of a connection that calls share.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use h2::client::SendRequest;
use h2::{Ping, PingPong};
use tokio::io::{AsyncRead, AsyncWrite};

use super::disconnect::Disconnect;
use super::driver::{Driver, KeepaliveDriver, ending};
use super::keepalive::Keepalive;
use super::line::{Closed, Line};
use super::metered::Metered;
use super::room::Room;
use super::socket::{Loss, Socket};
use super::stream_error::Failure;
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
#[derive(Debug)]
pub(super) struct Gauge {
    pub(super) in_flight: AtomicUsize,
    /// Where calls wait while there are as many as the peer allows.
    pub(super) line: Line,
    /// Who is told that a call has ended.
    pub(super) room: OnceLock<Arc<Room>>,
    /// Makes the driver look whether the connection still takes calls.
    pub(super) doubt: AtomicWaker,
    /// Why the driver closes a connection that is still open, or what TLS said at its end: h2 knows
    /// neither.
    pub(super) given_up: Loss,
}

/// Counts one call as in flight for as long as it lives, and gives its place back.
#[derive(Debug)]
pub(super) struct InFlight {
    gauge: Arc<Gauge>,
    /// Whether it has left the line for a place.
    placed: bool,
}

/// A place for one call on a connection.
#[derive(Debug)]
pub(crate) struct Reservation {
    pub(super) connection: Connection,
    pub(super) in_flight: InFlight,
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
        in_flight: AtomicUsize::new(0),
        line: Line::new(sender.current_max_send_streams()),
        room: OnceLock::new(),
        doubt: AtomicWaker::new(),
        given_up: loss,
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

    /// Tells `room` of every call that ends from now on.
    pub(crate) fn share(&self, room: Arc<Room>) {
        // Nobody else does this to a new connection.
        let _ = self.0.gauge.room.set(room);
    }

    /// A place for one more call; beyond what the peer allows it waits for its turn. Cancel-safe.
    ///
    /// # Errors
    ///
    /// When the connection takes no more calls.
    pub(crate) async fn reserve(&self) -> Result<Reservation, Failure> {
        let mut in_flight = InFlight::new(&self.0.gauge);
        let entered = self.0.gauge.line.enter().await;
        entered.map_err(|Closed| Failure::too_late(self.address()))?;
        in_flight.placed = true;
        Ok(self.reserved(in_flight))
    }

    /// Whether there are fewer calls than `most` and than the peer allows.
    pub(crate) fn has_room(&self, most: usize) -> bool {
        self.in_flight() < most && self.0.gauge.line.has_place()
    }

    /// A place for one more call, if there are fewer than `most` and than the peer allows.
    pub(crate) fn try_reserve(&self, most: usize) -> Option<Reservation> {
        let gauge = &self.0.gauge;
        if !gauge.line.try_enter() {
            return None;
        }
        let one_more = |calls: usize| (calls < most).then_some(calls + 1);
        let counted = gauge
            .in_flight
            .try_update(Ordering::SeqCst, Ordering::SeqCst, one_more);
        if counted.is_err() {
            gauge.line.leave();
            return None;
        }
        Some(self.reserved(InFlight {
            gauge: gauge.clone(),
            placed: true,
        }))
    }

    fn reserved(&self, in_flight: InFlight) -> Reservation {
        Reservation {
            connection: self.clone(),
            in_flight,
        }
    }
}

// === impl Gauge ===

impl Gauge {
    /// Why the connection ended, where h2 says `cause`.
    pub(super) fn cause(&self, cause: Disconnect) -> Disconnect {
        self.given_up.get().cloned().unwrap_or(cause)
    }
}

// === impl InFlight ===

impl InFlight {
    fn new(gauge: &Arc<Gauge>) -> Self {
        gauge.in_flight.fetch_add(1, Ordering::SeqCst);
        Self {
            gauge: gauge.clone(),
            placed: false,
        }
    }

    /// Why the connection was given up, if it was.
    pub(super) fn given_up(&self) -> Option<&Disconnect> {
        self.gauge.given_up.get()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gauge.in_flight.fetch_sub(1, Ordering::SeqCst);
        if self.placed {
            self.gauge.line.leave();
            if let Some(room) = self.gauge.room.get() {
                room.freed();
            }
        }
    }
}
