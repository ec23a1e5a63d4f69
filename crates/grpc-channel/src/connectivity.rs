//! gRPC's connectivity states, and how those of many subchannels make one.
//!
//! The [semantics] are gRPC's, so that what an operator knows of one channel holds for this one.
//!
//! [semantics]: https://github.com/grpc/grpc/blob/master/doc/connectivity-semantics-and-api.md

use std::fmt;

/// The state of a subchannel, or of a whole channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// No connection, and none is being made.
    Idle,
    /// A connection is being made.
    Connecting,
    /// There is a connection that has answered; calls can be sent.
    Ready,
    /// The last attempt failed; the next one waits for its backoff.
    TransientFailure,
    /// Given up for good: the address is no longer part of the target.
    Shutdown,
}

// === impl State ===

impl State {
    /// The state of a channel whose subchannels have these states: READY when one is, else
    /// CONNECTING when one may become so, else `TRANSIENT_FAILURE`.
    pub(crate) fn aggregate(states: impl IntoIterator<Item = Self>) -> Self {
        let mut connecting = false;
        for state in states {
            match state {
                Self::Ready => return Self::Ready,
                Self::Connecting | Self::Idle => connecting = true,
                Self::TransientFailure | Self::Shutdown => {}
            }
        }
        if connecting {
            Self::Connecting
        } else {
            Self::TransientFailure
        }
    }
}

impl fmt::Display for State {
    /// The names that gRPC gives to the states.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "IDLE",
            Self::Connecting => "CONNECTING",
            Self::Ready => "READY",
            Self::TransientFailure => "TRANSIENT_FAILURE",
            Self::Shutdown => "SHUTDOWN",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::State::{Connecting, Idle, Ready, TransientFailure};
    use super::*;

    #[test]
    fn one_ready_subchannel_makes_the_channel_ready() {
        assert_eq!(State::aggregate([TransientFailure, Ready]), Ready);
        assert_eq!(State::aggregate([Connecting, Ready]), Ready);
    }

    #[test]
    fn a_channel_fails_only_when_every_subchannel_has() {
        assert_eq!(State::aggregate([TransientFailure, Connecting]), Connecting);
        assert_eq!(State::aggregate([TransientFailure, Idle]), Connecting);
        assert_eq!(State::aggregate([TransientFailure; 2]), TransientFailure);
    }
}
