//! Where a subchannel stands, as the balancer and the statistics see it.

use tokio::time::Instant;

use super::pool::Pool;
use crate::connectivity::State;
use crate::health::{Health, Unhealthy};
use crate::transport::Disconnect;

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
    Ready(Pool),
    Failed { attempts: u32, retry_at: Instant },
    Shutdown,
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

    /// The connections that take calls, if the subchannel is READY.
    pub(crate) fn pool(&self) -> Option<&Pool> {
        match &self.phase {
            Phase::Ready(pool) if self.state() == State::Ready => Some(pool),
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
