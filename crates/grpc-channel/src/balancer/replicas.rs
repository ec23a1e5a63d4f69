//! The subchannels of a channel, one for each address that is in use.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::change::Change;
use crate::outlier::{self, Host, Volume};
use crate::picker::Candidate;
use crate::policy::OutlierDetection;
use crate::resolver::{Address, Endpoint};
use crate::subchannel::{Context, Lease, Past, Status, Subchannel};

/// In the order of their addresses.
pub(super) struct Replicas {
    context: Context,
    /// The service whose health decides whether a replica is picked.
    health_service: Option<Arc<str>>,
    list: Vec<Replica>,
    /// Of the target's addresses that have no subchannel at present, those that had one.
    past: HashMap<Address, Past>,
}

struct Replica {
    lease: Lease,
    weight: u32,
    host: Host,
}

// === impl Replicas ===

impl Replicas {
    pub(super) fn new(context: Context) -> Self {
        Self {
            context,
            health_service: None,
            list: Vec::new(),
            past: HashMap::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Asks all replicas for the health of a service from now on, or of none.
    pub(super) fn check_health(&mut self, service: Option<Arc<str>>) {
        for replica in &self.list {
            replica.lease.check_health(service.as_ref());
        }
        self.health_service = service;
    }

    /// Makes them those of `endpoints`; what stays is not touched.
    ///
    /// A connection stays open for as long as the picker in place or a call holds it: what was about
    /// to be sent there still is, and what runs there finishes.
    pub(super) fn update(&mut self, endpoints: &[Endpoint]) {
        let known = self.list.iter().map(Replica::address);
        let change = Change::between(known, endpoints.iter().map(|endpoint| &endpoint.address));
        self.list
            .retain(|replica| !change.removed.contains(replica.address()));
        let weights: HashMap<&Address, u32> = endpoints
            .iter()
            .map(|endpoint| (&endpoint.address, endpoint.weight))
            .collect();
        for address in change.added {
            let replica = self.spawn(address);
            self.list.push(replica);
        }
        for replica in &mut self.list {
            if let Some(weight) = weights.get(replica.address()) {
                replica.weight = *weight;
            }
        }
        self.list.sort_by(|a, b| a.address().cmp(b.address()));
        self.past.clear();
    }

    /// Begins to connect to an address, unless there is a subchannel for it.
    pub(super) fn add(&mut self, address: Address) {
        if let Err(place) = self.find(&address) {
            let replica = self.spawn(address);
            self.list.insert(place, replica);
        }
    }

    /// Gives up all others. Their figures are remembered.
    pub(super) fn keep(&mut self, addresses: &HashSet<&Address>) {
        let given_up = |replica: &mut Replica| !addresses.contains(replica.address());
        for replica in self.list.extract_if(.., given_up) {
            let past = replica.lease.subchannel.past();
            self.past.insert(replica.address().clone(), past);
        }
    }

    /// Forgets all others, which are no longer part of the target.
    pub(super) fn forget_others(&mut self, addresses: &HashSet<&Address>) {
        self.list
            .retain(|replica| addresses.contains(replica.address()));
        self.past.retain(|address, _| addresses.contains(address));
    }

    pub(super) fn status(&self, address: &Address) -> Option<Status> {
        let place = self.find(address).ok()?;
        Some(self.list[place].lease.subchannel.status())
    }

    pub(super) fn statuses(&self) -> Vec<Status> {
        let statuses = self.list.iter();
        statuses
            .map(|replica| replica.lease.subchannel.status())
            .collect()
    }

    pub(super) fn subchannels(&self) -> Vec<Arc<Subchannel>> {
        let leases = self.list.iter().map(|replica| &replica.lease);
        leases.map(|lease| lease.subchannel.clone()).collect()
    }

    /// Those that can be picked, where `statuses` is what [`statuses`](Self::statuses) gave.
    pub(super) fn candidates(&self, statuses: &[Status]) -> Vec<Candidate> {
        self.list
            .iter()
            .zip(statuses)
            .filter_map(|(replica, status)| {
                Some(Candidate {
                    subchannel: replica.lease.subchannel.clone(),
                    pool: status.pool()?.clone(),
                    weight: replica.weight,
                })
            })
            .collect()
    }

    /// Tells the metrics what the weights are.
    pub(super) fn record_weights(&self, candidates: &[Candidate]) {
        let weights = candidates.iter().map(|candidate| candidate.weight);
        self.context.metrics().weights(weights);
    }

    /// Ejects outliers and brings others back.
    pub(super) fn sweep(&mut self, config: &OutlierDetection, now: Instant) {
        for replica in &mut self.list {
            let calls = &replica.lease.subchannel.calls;
            replica.host.count(Volume {
                succeeded: calls.succeeded(),
                failed: calls.failed(),
            });
        }
        let mut hosts: Vec<&mut Host> = self.list.iter_mut().map(|r| &mut r.host).collect();
        let ejections = outlier::sweep(config, &mut hosts, now, || fastrand::u32(..100));
        self.context.metrics().ejections(&ejections);
        self.show_ejections();
    }

    /// Brings all back that were ejected.
    pub(super) fn pardon(&mut self) {
        for replica in &mut self.list {
            replica.host.pardon();
        }
        self.show_ejections();
    }

    fn show_ejections(&self) {
        for replica in &self.list {
            let ejected = replica.host.is_ejected();
            if replica.lease.subchannel.set_ejected(ejected) {
                let address = replica.address();
                if ejected {
                    tracing::warn!(%address, "ejected: it fails more calls than the others");
                } else {
                    tracing::info!(%address, "no longer ejected");
                }
            }
        }
    }

    fn spawn(&mut self, address: Address) -> Replica {
        let service = self.health_service.clone();
        let past = self.past.remove(&address).unwrap_or_default();
        Replica {
            lease: Subchannel::spawn(address, self.context.clone(), service, past),
            weight: 1,
            host: Host::default(),
        }
    }

    fn find(&self, address: &Address) -> Result<usize, usize> {
        self.list
            .binary_search_by(|replica| replica.address().cmp(address))
    }
}

// === impl Replica ===

impl Replica {
    fn address(&self) -> &Address {
        &self.lease.subchannel.address
    }
}
