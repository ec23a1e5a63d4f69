//! The task between the resolver and the calls: it keeps one subchannel for each address and
//! publishes a picker over those that are ready.

mod change;
mod settling;

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::change::Change;
use self::settling::Settling;
use crate::connectivity::State;
use crate::picker::{Candidate, Picker, RoundRobin, Slot};
use crate::resolver::{Answer, Endpoint, ResolveError, Subscriber};
use crate::subchannel::{self, Lease, Phase, Status, Subchannel};
use crate::unavailable::Unavailable;

/// What the balancer shows to the rest of the channel.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) picker: Slot,
    pub(crate) subchannels: ArcSwap<Vec<Arc<Subchannel>>>,
    pub(crate) resolution: ArcSwap<Option<ResolveError>>,
    /// When the resolver last gave addresses.
    pub(crate) resolved: ArcSwapOption<Instant>,
}

pub(crate) struct Balancer {
    target: Arc<str>,
    config: subchannel::Config,
    resolver: Subscriber,
    view: Arc<View>,
    leases: Vec<Lease>,
    changes: (mpsc::UnboundedSender<()>, mpsc::UnboundedReceiver<()>),
    settling: Settling,
    /// The error of the last resolution, if it failed.
    resolution: Option<ResolveError>,
    /// What the picker in place gives.
    published: Vec<Candidate>,
}

// === impl View ===

impl View {
    pub(crate) fn new() -> Self {
        Self {
            picker: Slot::new(),
            subchannels: ArcSwap::default(),
            resolution: ArcSwap::default(),
            resolved: ArcSwapOption::empty(),
        }
    }
}

// === impl Balancer ===

impl Balancer {
    pub(crate) fn new(
        target: Arc<str>,
        config: subchannel::Config,
        resolver: Subscriber,
        view: Arc<View>,
    ) -> Self {
        Self {
            target,
            config,
            resolver,
            view,
            leases: Vec::new(),
            changes: mpsc::unbounded_channel(),
            settling: Settling::default(),
            resolution: None,
            published: Vec::new(),
        }
    }

    /// Balances until it is aborted.
    pub(crate) async fn run(mut self) {
        /// How many changes are taken together before a picker is made of them.
        const BATCH: usize = 1_024;
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let settled = self.settling.deadline();
            tokio::select! {
                answer = self.resolver.next() => {
                    self.resolved(answer);
                    self.publish();
                }
                _ = self.changes.1.recv_many(&mut batch, BATCH) => {
                    batch.clear();
                    let ready = self.published.len();
                    self.publish();
                    if self.published.is_empty() || self.published.len() < ready {
                        // A replica is gone; perhaps the name knows of another by now.
                        self.resolver.request();
                    }
                }
                () = sleep_until(settled) => {
                    self.settling.finish();
                    self.publish();
                }
            }
        }
    }

    fn resolved(&mut self, answer: Answer) {
        let known = !self.leases.is_empty();
        let error = match answer {
            Ok(endpoints) if !endpoints.is_empty() => {
                self.resolution = None;
                self.view.resolved.store(Some(Arc::new(Instant::now())));
                self.update(&endpoints);
                None
            }
            Ok(_) => Some(ResolveError::NoAddresses {
                name: self.target.to_string(),
            }),
            Err(error) => Some(error),
        };
        if let Some(error) = error {
            tracing::warn!(
                target_name = %self.target,
                %error,
                known,
                "the target could not be resolved; addresses that are known are kept",
            );
            self.resolution = Some(error);
        }
        self.view
            .resolution
            .store(Arc::new(self.resolution.clone()));
    }

    fn update(&mut self, endpoints: &[Endpoint]) {
        let known = self.leases.iter().map(|lease| &lease.subchannel.address);
        let change = Change::between(known, endpoints.iter().map(|endpoint| &endpoint.address));
        if change.is_empty() {
            return;
        }
        tracing::info!(
            target_name = %self.target,
            added = change.added.len(),
            removed = change.removed.len(),
            addresses = endpoints.len(),
            "the addresses of the target have changed",
        );
        // A connection stays open for as long as the picker in place or a call holds it: what was
        // about to be sent there still is, and what runs there finishes.
        self.leases
            .retain(|lease| !change.removed.contains(&lease.subchannel.address));
        for address in change.added {
            self.leases.push(Subchannel::spawn(
                address,
                self.config.clone(),
                self.changes.0.clone(),
            ));
        }
        self.leases
            .sort_by(|a, b| a.subchannel.address.cmp(&b.subchannel.address));
        self.view.subchannels.store(Arc::new(self.subchannels()));
    }

    fn subchannels(&self) -> Vec<Arc<Subchannel>> {
        self.leases
            .iter()
            .map(|lease| lease.subchannel.clone())
            .collect()
    }

    fn publish(&mut self) {
        let statuses: Vec<Status> = self
            .leases
            .iter()
            .map(|lease| lease.subchannel.status())
            .collect();
        let picker = match self.state(&statuses) {
            State::Ready => match self.ready(&statuses) {
                Some(picker) => picker,
                None => return,
            },
            State::TransientFailure => {
                self.published.clear();
                Picker::Fail(self.unavailable())
            }
            _ => {
                self.published.clear();
                Picker::Queue
            }
        };
        self.view.picker.publish(picker);
    }

    fn state(&mut self, statuses: &[Status]) -> State {
        if statuses.is_empty() {
            return match self.resolution {
                None => State::Connecting,
                Some(_) => State::TransientFailure,
            };
        }
        let state = State::aggregate(statuses.iter().map(Status::lasting_state));
        let ready = state == State::Ready;
        let new = statuses.iter().any(Status::is_new);
        if self.settling.holds(ready, new, Instant::now()) {
            return State::Connecting;
        }
        state
    }

    /// A picker over the ready subchannels, unless the one in place has the same: replacing that
    /// would begin the round anew.
    fn ready(&mut self, statuses: &[Status]) -> Option<Picker> {
        let candidates: Vec<Candidate> = self
            .leases
            .iter()
            .zip(statuses)
            .filter_map(|(lease, status)| match &status.phase {
                Phase::Ready(connection) => Some(Candidate {
                    subchannel: lease.subchannel.clone(),
                    connection: connection.clone(),
                    number: status.connections,
                }),
                _ => None,
            })
            .collect();
        let same = candidates.len() == self.published.len()
            && candidates
                .iter()
                .zip(&self.published)
                .all(|(new, old)| new.is_same(old));
        if same {
            return None;
        }
        self.published.clone_from(&candidates);
        RoundRobin::new(candidates, fastrand::usize(..)).map(Picker::Ready)
    }

    fn unavailable(&self) -> Unavailable {
        Unavailable {
            target: self.target.clone(),
            resolution: self.resolution.clone(),
            subchannels: self.subchannels().into(),
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
