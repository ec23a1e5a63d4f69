//! One target at work: its resolver and its balancer, which run until it is dropped.

use std::sync::Arc;

use http::uri::Authority;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::balancer::{self, Balancer, View};
use crate::failover::{Failover, Report};
use crate::picker::Slot;
use crate::resolver::{OfTarget, Resolve, Subscriber, dns};
use crate::stats::Stats;
use crate::target::Target;

/// What a target needs to begin.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) target: Target,
    pub(crate) dns: dns::Config,
    pub(crate) balancer: balancer::Config,
}

/// A target at work.
pub(crate) struct Level {
    pub(crate) view: Arc<View>,
    /// The resolver and the balancer.
    _tasks: [AbortOnDropHandle<()>; 2],
}

/// The targets of a channel.
pub(crate) enum Levels {
    /// Most channels have one target; they pay nothing for those that have more.
    One {
        target: Arc<str>,
        level: Level,
    },
    Several(Failover),
}

// === impl Config ===

impl Config {
    pub(crate) fn name(&self) -> Arc<str> {
        self.target.as_str().into()
    }

    pub(crate) fn authority(&self) -> &Authority {
        self.target.authority()
    }
}

// === impl Level ===

impl Level {
    /// Resolves the target by what it says; within a tokio runtime.
    pub(crate) fn start(
        config: &Config,
        settings: watch::Receiver<balancer::Settings>,
        report: Report,
    ) -> Self {
        let resolver = OfTarget::new(&config.target, config.dns);
        Self::start_with(resolver, config, settings, Some(report))
    }

    /// Takes the addresses from `resolver`, and tells `report` about every new picker; within a tokio
    /// runtime.
    pub(crate) fn start_with(
        resolver: impl Resolve,
        config: &Config,
        settings: watch::Receiver<balancer::Settings>,
        report: Option<Report>,
    ) -> Self {
        let (publisher, subscriber) = Subscriber::pair(config.dns);
        let view = Arc::new(View::new(report));
        let balancer = Balancer::new(
            config.name(),
            &config.balancer,
            subscriber,
            settings,
            view.clone(),
        );
        let tasks = [
            AbortOnDropHandle::new(tokio::spawn(resolver.run(publisher))),
            AbortOnDropHandle::new(tokio::spawn(balancer.run())),
        ];
        Self {
            view,
            _tasks: tasks,
        }
    }
}

// === impl Levels ===

impl Levels {
    /// Where calls find the picker in place.
    pub(crate) fn slot(&self) -> Arc<Slot> {
        match self {
            Self::One { level, .. } => level.view.picker.clone(),
            Self::Several(failover) => failover.slot(),
        }
    }

    /// Whether replicas may belong to another target than the first.
    pub(crate) fn are_several(&self) -> bool {
        matches!(self, Self::Several(_))
    }

    /// What calls that wait wait for.
    pub(crate) fn awaited(&self) -> Arc<str> {
        match self {
            Self::One { target, .. } => target.clone(),
            Self::Several(failover) => failover.awaited(),
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        match self {
            Self::One { target, level } => Stats::of(target, &level.view, true),
            Self::Several(failover) => failover.stats(),
        }
    }
}
