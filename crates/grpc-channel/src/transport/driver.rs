//! The half of a connection that one task polls.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep};

use super::connection::Gauge;
use super::disconnect::Disconnect;
use super::keepalive::{Action, Keepalive, Watch};
use super::metered::{Metered, Reads};
use super::socket::Socket;

/// How long a connection without calls may take to say goodbye. A peer that reads nothing any more
/// would hold its socket for ever.
const GOODBYE: Duration = Duration::from_secs(5);

/// Moves bytes between the socket and the streams, and watches whether the peer lives.
///
/// Dropping it closes the socket at once and fails the calls in flight.
pub(crate) struct Driver {
    pub(super) connection: h2::client::Connection<Metered<Socket>, Bytes>,
    /// Learns of a GOAWAY while streams still run; also keeps the connection open without calls.
    pub(super) probe: Option<SendRequest<Bytes>>,
    pub(super) gauge: Arc<Gauge>,
    pub(super) keepalive: Option<KeepaliveDriver>,
}

pub(super) struct KeepaliveDriver {
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

pub(super) fn ending(result: Result<(), h2::Error>) -> Disconnect {
    match result {
        Ok(()) => Disconnect::Closed,
        Err(error) => Disconnect::from_h2(&error),
    }
}

// === impl Driver ===

impl Driver {
    /// Drives the connection until it takes no more calls, and says why. Calls in flight may still
    /// run after that; [`finish`](Self::finish) sees them through. Cancel-safe.
    pub(crate) async fn until_closing(&mut self) -> Disconnect {
        let cause = poll_fn(|cx| {
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
        });
        let cause = cause.await;
        self.gauge.line.close();
        cause
    }

    /// Drives the connection until the last call has ended and nobody holds its `Connection` any
    /// more; h2 then says GOAWAY to the peer and closes. A peer that does not read that is left.
    pub(crate) async fn finish(mut self) {
        self.probe = None;
        self.gauge.line.close();
        loop {
            let ended = poll_fn(|cx| self.poll_drive(cx));
            let ended = tokio::time::timeout(GOODBYE, ended).await.is_ok();
            if ended || self.gauge.in_flight.load(Ordering::SeqCst) == 0 {
                return;
            }
        }
    }

    fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<Disconnect> {
        if let Poll::Ready(ended) = Pin::new(&mut self.connection).poll(cx) {
            return Poll::Ready(self.gauge.cause(ending(ended)));
        }
        if let Some(probe) = &self.probe
            && self.gauge.line.allow(probe.current_max_send_streams())
            && let Some(room) = self.gauge.room.get()
        {
            room.changed();
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
    pub(super) fn new(config: Keepalive, ping_pong: PingPong, reads: Reads) -> Self {
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
