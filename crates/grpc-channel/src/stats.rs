//! What a channel knows of itself, to be shown to an operator.

use std::time::Duration;

use std::collections::HashMap;

use crate::balancer::View;
use crate::connectivity::State;
use crate::health::Unhealthy;
use crate::resolver::{Address, ResolveError};
use crate::subchannel::{Phase, Status, Subchannel};
use crate::transport::Disconnect;

/// A snapshot of a channel, made by [`Channel::stats`](crate::Channel::stats): what gRPC's channelz
/// shows. It tells of the channel's first target, and of the others in [`fallbacks`](Self::fallbacks).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// The target as it was given.
    pub target: String,
    /// Whether calls go to this target, or wait for it: always, if it is the only one. Of several, it
    /// is one, or none when all have failed.
    pub in_use: bool,
    /// The state of the target as a whole. A fallback that is not needed is IDLE.
    pub state: State,
    /// The error of the last resolution, if it failed. Addresses that were known before are kept.
    pub resolve_error: Option<ResolveError>,
    /// How long ago the resolver last gave the addresses, whether they had changed or not. DNS asks
    /// within [`Builder::dns_interval`](crate::Builder::dns_interval), a watch of EndpointSlices lists
    /// every 5 minutes or so; an older view is out of date.
    pub resolved_age: Option<Duration>,
    /// One entry for each address that has a subchannel, sorted by address; under
    /// [`Policy::PickFirst`](crate::Policy::PickFirst) that is one, or those that are tried. An
    /// address that gets a subchannel again has the figures that it had, unless it was no part of the
    /// target meanwhile.
    pub subchannels: Vec<SubchannelStats>,
    /// The same for each [`fallback`](crate::Builder::fallback), in order of priority; they have no
    /// fallbacks of their own.
    pub fallbacks: Vec<Stats>,
}

/// A snapshot of one subchannel.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SubchannelStats {
    /// Where it connects to.
    pub address: Address,
    /// Its state. READY means that the present picker sends calls there.
    pub state: State,
    /// Why the last attempt failed or the last connection ended, whichever came last; `None` when
    /// nothing ever went wrong.
    pub last_disconnect: Option<Disconnect>,
    /// Why it is not READY although it is connected, by the replica's own word; see
    /// [`Builder::health_check`](crate::Builder::health_check).
    pub unhealthy: Option<Unhealthy>,
    /// How many connections were established.
    pub connections: u64,
    /// How many connections are open; more than one only as [`Connections`](crate::Connections)
    /// allows.
    pub open_connections: usize,
    /// How many calls were sent, every attempt counted.
    pub calls_started: u64,
    /// How many of them ended with OK.
    pub calls_succeeded: u64,
    /// How many of them ended otherwise, or were not over at their deadline.
    pub calls_failed: u64,
    /// How many of them were cancelled, because the caller dropped them or another attempt of a hedged
    /// call was answered first. They are no failures, neither here nor for
    /// [`OutlierDetection`](crate::OutlierDetection).
    pub calls_cancelled: u64,
    /// How many calls have begun and not ended.
    pub calls_in_flight: u64,
    /// Whether it is left out as an outlier, see [`OutlierDetection`](crate::OutlierDetection).
    pub ejected: bool,
}

// === impl Stats ===

impl Stats {
    /// The channel's targets, in order of priority.
    pub fn targets(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.fallbacks)
    }

    /// Those of a target that is not needed.
    pub(crate) fn idle(target: &str) -> Self {
        Self {
            target: target.to_owned(),
            in_use: false,
            state: State::Idle,
            resolve_error: None,
            resolved_age: None,
            subchannels: Vec::new(),
            fallbacks: Vec::new(),
        }
    }

    pub(crate) fn of(target: &str, view: &View, in_use: bool) -> Self {
        let subchannels = view.subchannels.load();
        let offered = view.offered.load();
        let pools: HashMap<_, _> = offered
            .iter()
            .map(|candidate| (&candidate.subchannel.address, &candidate.pool))
            .collect();
        let (states, subchannels): (Vec<State>, Vec<SubchannelStats>) = subchannels
            .iter()
            .map(|subchannel| {
                let status = subchannel.status();
                // READY is a promise that calls are sent there, which the next picker makes true.
                let offered = match (status.pool(), pools.get(&subchannel.address)) {
                    (Some(ready), Some(picked)) => ready.is_same(picked),
                    (Some(_), None) => false,
                    (None, _) => true,
                };
                let (state, lasting) = if offered {
                    (status.state(), status.lasting_state())
                } else {
                    (State::Connecting, State::Connecting)
                };
                (lasting, SubchannelStats::of(subchannel, &status, state))
            })
            .unzip();
        let resolve_error = view.resolution.load().as_ref().clone();
        let state = if subchannels.is_empty() && resolve_error.is_none() {
            State::Connecting
        } else {
            State::aggregate(states)
        };
        Self {
            target: target.to_owned(),
            in_use,
            state,
            resolve_error,
            resolved_age: view.resolved.load().as_ref().map(|at| at.elapsed()),
            subchannels,
            fallbacks: Vec::new(),
        }
    }
}

// === impl SubchannelStats ===

impl SubchannelStats {
    fn of(subchannel: &Subchannel, status: &Status, state: State) -> Self {
        Self {
            address: subchannel.address.clone(),
            state,
            last_disconnect: status.cause.clone(),
            unhealthy: status.unhealthy().cloned(),
            connections: status.connections,
            open_connections: match &status.phase {
                Phase::Ready(pool) => pool.open(),
                _ => 0,
            },
            calls_started: subchannel.calls.started(),
            calls_succeeded: subchannel.calls.succeeded(),
            calls_failed: subchannel.calls.failed(),
            calls_cancelled: subchannel.calls.cancelled(),
            calls_in_flight: subchannel.calls.in_flight(),
            ejected: status.ejected,
        }
    }
}
