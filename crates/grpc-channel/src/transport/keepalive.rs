//! HTTP/2 keepalive (gRFC [A8]) as a pure state machine: the clock comes in as an argument.
//!
//! A peer that vanished without closing its connection answers nothing, not even TCP; only a ping
//! that is not answered tells that from a peer that has nothing to say.
//!
//! [A8]: https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md

use std::time::{Duration, Instant};

/// When to ping, and how long to wait for the answer.
///
/// The default is a ping after 30 s without a byte from the peer while calls are in flight, and 10 s
/// for its answer. A grpc-go server with its default enforcement policy allows one ping in 5 minutes;
/// when such a server answers `too_many_pings`, `time` is doubled for that address, as A8 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// How long nothing was received before a ping is sent. A8 asks for 10 s at least.
    pub time: Duration,
    /// How long the answer may take before the connection is given up.
    pub timeout: Duration,
    /// Whether to ping while no call is in flight. Many servers forbid it.
    pub without_calls: bool,
}

/// What the connection has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Look again at this time.
    WaitUntil(Instant),
    /// Look again when a call begins.
    WaitForCall,
    /// Send a ping, then look again.
    Ping,
    /// Give the connection up.
    GiveUp,
}

/// What one connection knows of its peer.
#[derive(Debug)]
pub(crate) struct Watch {
    keepalive: Keepalive,
    /// When the peer was last heard.
    heard: Instant,
    /// When the ping that is not answered yet was sent.
    pinged: Option<Instant>,
}

// === impl Keepalive ===

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
            without_calls: false,
        }
    }
}

// === impl Watch ===

impl Watch {
    pub(crate) fn new(keepalive: Keepalive, now: Instant) -> Self {
        Self {
            keepalive,
            heard: now,
            pinged: None,
        }
    }

    /// Something was received; whatever it was, the peer lives. Returns whether it was waited for,
    /// and so what to do may be due earlier than before.
    pub(crate) fn heard(&mut self, now: Instant) -> bool {
        self.heard = now;
        self.pinged.take().is_some()
    }

    /// A ping was sent.
    pub(crate) fn pinged(&mut self, now: Instant) {
        self.pinged = Some(now);
    }

    /// What to do, given whether calls are in flight.
    pub(crate) fn action(&self, now: Instant, calls: bool) -> Action {
        let (due, then) = match self.pinged {
            Some(pinged) => (pinged + self.keepalive.timeout, Action::GiveUp),
            None if calls || self.keepalive.without_calls => {
                (self.heard + self.keepalive.time, Action::Ping)
            }
            None => return Action::WaitForCall,
        };
        if now < due {
            Action::WaitUntil(due)
        } else {
            then
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEPALIVE: Keepalive = Keepalive {
        time: Duration::from_secs(30),
        timeout: Duration::from_secs(10),
        without_calls: false,
    };

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_peer_is_pinged_and_then_given_up() {
        let start = Instant::now();
        let mut watch = Watch::new(KEEPALIVE, start);
        assert_eq!(
            watch.action(after(start, 1), true),
            Action::WaitUntil(after(start, 30))
        );
        assert_eq!(watch.action(after(start, 30), true), Action::Ping);
        watch.pinged(after(start, 30));
        assert_eq!(
            watch.action(after(start, 31), true),
            Action::WaitUntil(after(start, 40))
        );
        assert_eq!(watch.action(after(start, 40), true), Action::GiveUp);
    }

    #[test]
    fn any_byte_from_the_peer_counts_as_an_answer() {
        let start = Instant::now();
        let mut watch = Watch::new(KEEPALIVE, start);
        watch.pinged(after(start, 30));
        assert!(watch.heard(after(start, 39)), "it was waited for");
        assert_eq!(
            watch.action(after(start, 41), true),
            Action::WaitUntil(after(start, 69))
        );
        assert!(!watch.heard(after(start, 42)), "no ping was open");
    }

    #[test]
    fn an_idle_connection_is_pinged_only_if_asked_to() {
        let start = Instant::now();
        let watch = Watch::new(KEEPALIVE, start);
        assert_eq!(watch.action(after(start, 100), false), Action::WaitForCall);
        let keepalive = Keepalive {
            without_calls: true,
            ..KEEPALIVE
        };
        assert_eq!(
            Watch::new(keepalive, start).action(after(start, 100), false),
            Action::Ping
        );
    }

    #[test]
    fn a_ping_is_judged_even_when_the_last_call_has_ended() {
        let start = Instant::now();
        let mut watch = Watch::new(KEEPALIVE, start);
        watch.pinged(after(start, 30));
        assert_eq!(watch.action(after(start, 40), false), Action::GiveUp);
    }
}
