//! `pick_first`: how the balancer comes to one connection, and when it looks for another.
//!
//! gRFC [A62] tells the states: a pass over the addresses that finds nobody leaves the channel in
//! `TRANSIENT_FAILURE` until somebody is READY, while every address is tried again after its own
//! backoff.
//!
//! [A62]: https://github.com/grpc/proposal/blob/master/A62-pick-first.md

use std::collections::HashSet;

use tokio::time::Instant;

use super::first::{Pass, interleave};
use super::replicas::Replicas;
use crate::connectivity::State;
use crate::resolver::{Address, Endpoint};
use crate::subchannel::Status;

/// Where `pick_first` stands.
pub(super) struct Single {
    /// All addresses, in the order in which they are tried.
    order: Vec<Address>,
    pass: Pass,
    /// The address that all calls go to.
    selected: Option<Address>,
    /// Whether the last pass found nobody.
    failing: bool,
}

// === impl Single ===

impl Single {
    pub(super) fn new(endpoints: &[Endpoint], shuffle: bool) -> Self {
        let order = order(endpoints, shuffle);
        Self {
            pass: Pass::new(order.clone()),
            order,
            selected: None,
            failing: false,
        }
    }

    /// Takes other addresses over. The connection is kept while its address is among them.
    pub(super) fn update(
        &mut self,
        endpoints: &[Endpoint],
        shuffle: bool,
        replicas: &mut Replicas,
    ) {
        let new: HashSet<&Address> = endpoints.iter().map(|endpoint| &endpoint.address).collect();
        if new.len() == self.order.len() && self.order.iter().all(|known| new.contains(known)) {
            return;
        }
        self.order = order(endpoints, shuffle);
        replicas.forget_others(&new);
        if self
            .selected
            .as_ref()
            .is_some_and(|address| !new.contains(address))
        {
            self.selected = None;
        }
        if self.selected.is_none() {
            // Attempts that run go on; their addresses need no other.
            let mut left = self.order.clone();
            left.retain(|address| replicas.status(address).is_none());
            self.pass = Pass::new(left);
        }
    }

    /// Begins what is due and ends what is not needed any more. Returns whether the connection was
    /// lost, so that other addresses are wanted.
    pub(super) fn advance(&mut self, replicas: &mut Replicas, now: Instant) -> bool {
        let is_ready = |address: &Address| {
            let status = replicas.status(address);
            status.is_some_and(|status| status.pool().is_some())
        };
        if self.selected.as_ref().is_some_and(is_ready) {
            return false;
        }
        let lost = self.selected.take().is_some();
        if lost {
            // A new pass begins with the first address, as gRPC's does.
            replicas.keep(&HashSet::new());
            self.pass = Pass::new(self.order.clone());
        } else if !replicas.is_empty()
            && let Some(address) = self.order.iter().find(|address| is_ready(address))
        {
            replicas.keep(&HashSet::from([address]));
            self.selected = Some(address.clone());
            self.failing = false;
            return false;
        }
        let failed = |replicas: &Replicas, address: &Address| {
            let status = replicas.status(address);
            status.is_none_or(|status| status.failing)
        };
        while let Some(address) = self.pass.next(now, |latest| failed(replicas, latest)) {
            replicas.add(address);
        }
        lost
    }

    /// When to advance again, if nothing happens before.
    pub(super) fn due(&self) -> Option<Instant> {
        self.pass.due().filter(|_| self.selected.is_none())
    }

    pub(super) fn state(&mut self, statuses: &[Status]) -> State {
        if self.selected.is_some() {
            return State::Ready;
        }
        if self.pass.is_over() && statuses.iter().all(|status| status.failing) {
            self.failing = true;
        }
        if self.failing {
            State::TransientFailure
        } else {
            State::Connecting
        }
    }
}

fn order(endpoints: &[Endpoint], shuffle: bool) -> Vec<Address> {
    let mut order: Vec<Address> = endpoints
        .iter()
        .map(|endpoint| endpoint.address.clone())
        .collect();
    if shuffle {
        fastrand::shuffle(&mut order);
    }
    interleave(order)
}
