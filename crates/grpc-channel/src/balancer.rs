//! The task between the resolver and the calls: it keeps one subchannel for each address and
//! publishes a picker over those that are ready.

mod change;
mod first;
mod replicas;
mod settling;
mod single;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use self::replicas::Replicas;
use self::settling::Settling;
use self::single::Single;
use crate::connectivity::State;
use crate::failover::Report;
use crate::health::Check;
use crate::picker::{Candidate, Picker, Rotation, Slot};
use crate::policy::{OutlierDetection, Policy};
use crate::resolver::{Answer, Endpoint, ResolveError, Subscriber};
use crate::subchannel::{self, Status, Subchannel};
use crate::subset;
use crate::unavailable::{NotReady, Unavailable};

/// What the balancer shows to the rest of the channel, and what it is told.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) picker: Arc<Slot>,
    pub(crate) subchannels: ArcSwap<Vec<Arc<Subchannel>>>,
    /// What the picker in place gives.
    pub(crate) offered: ArcSwap<Vec<Candidate>>,
    pub(crate) resolution: ArcSwap<Option<ResolveError>>,
    /// When the resolver last gave addresses.
    pub(crate) resolved: ArcSwapOption<Instant>,
    /// Who else is told of a new picker.
    report: Option<Report>,
}

/// What may change while the channel runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) policy: Policy,
    pub(crate) outlier_detection: Option<OutlierDetection>,
    /// The service whose health decides whether a replica is picked; empty for the server as a
    /// whole.
    pub(crate) health_service: Option<Arc<str>>,
}

/// What does not.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) subchannel: subchannel::Config,
    pub(crate) check: Check,
    /// How many addresses are used; `None` for all.
    pub(crate) subset: Option<usize>,
    /// How many connections are made at the same time.
    pub(crate) max_connecting: usize,
}

pub(crate) struct Balancer {
    target: Arc<str>,
    resolver: Subscriber,
    view: Arc<View>,
    settings: watch::Receiver<Settings>,
    subset: Option<usize>,
    /// What this client's subset is drawn with.
    seed: u64,
    /// The last answer: each address once, and only those of the subset.
    endpoints: Vec<Endpoint>,
    replicas: Replicas,
    /// The state of `pick_first`, while that is the policy.
    single: Option<Single>,
    changes: mpsc::UnboundedReceiver<()>,
    settling: Settling,
    /// When outliers are looked for next.
    sweep: Option<Instant>,
    /// The error of the last resolution, if it failed.
    resolution: Option<ResolveError>,
    /// What the picker in place gives.
    published: Arc<Vec<Candidate>>,
}

// === impl View ===

impl View {
    pub(crate) fn new(report: Option<Report>) -> Self {
        Self {
            picker: Arc::new(Slot::new()),
            subchannels: ArcSwap::default(),
            offered: ArcSwap::default(),
            resolution: ArcSwap::default(),
            resolved: ArcSwapOption::empty(),
            report,
        }
    }

    /// Puts a picker in place, and what it gives beside it.
    fn publish(&self, picker: Picker, offered: Arc<Vec<Candidate>>) {
        self.picker.publish(picker);
        self.offered.store(offered);
        if let Some(report) = &self.report {
            report.published();
        }
    }
}

// === impl Balancer ===

impl Balancer {
    pub(crate) fn new(
        target: Arc<str>,
        config: &Config,
        resolver: Subscriber,
        settings: watch::Receiver<Settings>,
        view: Arc<View>,
    ) -> Self {
        let (sender, changes) = mpsc::unbounded_channel();
        let context = subchannel::Context::new(
            config.subchannel.clone(),
            config.check.clone(),
            config.max_connecting,
            sender,
        );
        Self {
            target,
            resolver,
            settings,
            view,
            subset: config.subset,
            seed: fastrand::u64(..),
            endpoints: Vec::new(),
            replicas: Replicas::new(context),
            single: None,
            changes,
            settling: Settling::default(),
            sweep: None,
            resolution: None,
            published: Arc::default(),
        }
    }

    /// Balances until it is aborted.
    pub(crate) async fn run(mut self) {
        /// How many changes are taken together before a picker is made of them.
        const BATCH: usize = 1_024;
        let mut batch = Vec::with_capacity(BATCH);
        self.configure();
        loop {
            let due = self.due();
            tokio::select! {
                answer = self.resolver.next() => {
                    self.resolved(answer);
                    self.publish();
                }
                _ = self.changes.recv_many(&mut batch, BATCH) => {
                    batch.clear();
                    let ready = self.published.len();
                    self.publish();
                    let failing = matches!(**self.view.picker.load(), Picker::Fail(_));
                    if failing || self.published.len() < ready {
                        // A replica is gone; perhaps the name knows of another by now.
                        self.resolver.request();
                    }
                }
                Ok(()) = self.settings.changed() => {
                    self.configure();
                    self.publish();
                }
                () = sleep_until(due) => {
                    self.tick(Instant::now());
                    self.publish();
                }
            }
        }
    }

    /// When there is something to do, if nothing happens before.
    fn due(&self) -> Option<Instant> {
        let single = self.single.as_ref().and_then(Single::due);
        let times = [self.settling.deadline(), single, self.sweep];
        times.into_iter().flatten().min()
    }

    fn tick(&mut self, now: Instant) {
        if self.settling.deadline().is_some_and(|at| at <= now) {
            self.settling.finish();
        }
        if self.sweep.is_some_and(|at| at <= now) {
            let settings = self.settings.borrow();
            if let Some(config) = &settings.outlier_detection {
                self.replicas.sweep(config, now);
                self.sweep = Some(now + config.interval);
            }
        }
    }

    /// Takes the settings over. Connections that are needed before and after are kept, and the
    /// picker in place serves until there is another.
    fn configure(&mut self) {
        let settings = self.settings.borrow_and_update().clone();
        let single = matches!(settings.policy, Policy::PickFirst { .. });
        self.single = None;
        self.published = Arc::default();
        // gRPC's pick_first asks for no health: there is nobody else to send calls to.
        let health_service = settings.health_service.filter(|_| !single);
        self.replicas.check_health(health_service);
        // One connection is no outlier among others.
        let detection = settings.outlier_detection.filter(|_| !single);
        if detection.is_none() {
            self.replicas.pardon();
        }
        self.sweep = detection.map(|detection| Instant::now() + detection.interval);
        if !self.endpoints.is_empty() {
            self.place();
        }
    }

    fn resolved(&mut self, answer: Answer) {
        let known = !self.endpoints.is_empty();
        let error = match answer {
            Ok(endpoints) if !endpoints.is_empty() => {
                self.resolution = None;
                self.view.resolved.store(Some(Arc::new(Instant::now())));
                self.update(endpoints);
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

    fn update(&mut self, mut endpoints: Vec<Endpoint>) {
        let mut seen = HashSet::new();
        endpoints.retain(|endpoint| seen.insert(endpoint.address.clone()));
        let given = endpoints.len();
        if let Some(size) = self.subset {
            let key = |endpoint: &Endpoint| endpoint.address.clone();
            endpoints = subset::choose(endpoints, size, self.seed, key);
        }
        if is_same_set(&endpoints, &self.endpoints) {
            return;
        }
        tracing::info!(
            target_name = %self.target,
            before = self.endpoints.len(),
            used = endpoints.len(),
            given,
            "the addresses of the target have changed",
        );
        self.endpoints = endpoints;
        self.place();
    }

    /// Makes the subchannels that the policy wants for the endpoints.
    fn place(&mut self) {
        let policy = self.settings.borrow().policy.clone();
        if let Policy::PickFirst { shuffle } = policy {
            match &mut self.single {
                Some(single) => single.update(&self.endpoints, shuffle, &mut self.replicas),
                None => self.single = Some(Single::new(&self.endpoints, shuffle)),
            }
        } else {
            self.replicas.update(&self.endpoints);
        }
        self.show();
    }

    fn show(&self) {
        let subchannels = self.replicas.subchannels();
        self.view.subchannels.store(Arc::new(subchannels));
    }

    fn publish(&mut self) {
        if let Some(single) = &mut self.single {
            if single.advance(&mut self.replicas, Instant::now()) {
                self.resolver.request();
            }
            self.show();
        }
        let statuses = self.replicas.statuses();
        let picker = match self.state(&statuses) {
            State::Ready => match self.ready(&statuses) {
                Some(picker) => picker,
                None => return,
            },
            State::TransientFailure => {
                self.published = Arc::default();
                Picker::Fail(self.unavailable())
            }
            _ => {
                self.published = Arc::default();
                Picker::Queue
            }
        };
        self.view.publish(picker, self.published.clone());
    }

    fn state(&mut self, statuses: &[Status]) -> State {
        if statuses.is_empty() {
            return match self.resolution {
                None => State::Connecting,
                Some(_) => State::TransientFailure,
            };
        }
        if let Some(single) = &mut self.single {
            return single.state(statuses);
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
        let candidates = self.replicas.candidates(statuses);
        let same = candidates.len() == self.published.len()
            && candidates
                .iter()
                .zip(self.published.iter())
                .all(|(new, old)| new.is_same(old));
        if same {
            return None;
        }
        self.published = Arc::new(candidates.clone());
        let policy = &self.settings.borrow().policy;
        if *policy == Policy::WeightedRoundRobin {
            self.replicas.record_weights(&candidates);
        }
        Rotation::new(policy, candidates).map(Picker::Ready)
    }

    fn unavailable(&self) -> Unavailable {
        Unavailable(vec![NotReady {
            target: self.target.clone(),
            resolution: self.resolution.clone(),
            subchannels: self.replicas.subchannels(),
        }])
    }
}

/// Whether they differ in their order at most, which DNS servers like to change.
fn is_same_set(one: &[Endpoint], other: &[Endpoint]) -> bool {
    let known: HashMap<_, _> = one.iter().map(|e| (&e.address, e.weight)).collect();
    one.len() == other.len()
        && other
            .iter()
            .all(|e| known.get(&e.address) == Some(&e.weight))
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
