//! From a target to addresses, again and again.
//!
//! A resolver pushes what it learns instead of being asked: DNS is polled, an API is watched, and
//! the balancer need not know which. Every answer replaces the one before; a failure replaces
//! nothing, because an address that works is worth more than a name server that does not.

pub(crate) mod dns;
#[cfg(feature = "kubernetes")]
pub(crate) mod kubernetes;
mod question;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "kubernetes")]
pub use self::kubernetes::EndpointSlices;
pub use self::question::{Question, Resolution, Source};
use tokio::sync::{Notify, mpsc};

use self::dns::Dns;
use crate::target::{Kind, Target};

/// Where a replica listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Address {
    /// An IP address and a port.
    Socket(SocketAddr),
    /// A Unix socket.
    #[cfg(unix)]
    Unix(PathBuf),
}

/// One replica, as a resolver describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// Where it listens.
    pub address: Address,
    /// Its share of the calls under [`Policy::WeightedRoundRobin`](crate::Policy), in proportion to
    /// the weights of the others. 1 unless it is set; 0 counts as 1.
    pub weight: u32,
    /// The zone that it is in, where the resolver knows it.
    pub zone: Option<String>,
}

/// Why a resolver has no answer. An empty answer, a name that does not exist and a server that does
/// not reply are different things, and none of them removes an address that is known.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The name does not exist (NXDOMAIN).
    #[error("the name {name} does not exist (NXDOMAIN)")]
    NoSuchName {
        /// The name that was asked for.
        name: String,
    },
    /// The name exists and has no address. A headless Service without a ready pod looks like this.
    #[error("the name {name} has no addresses")]
    NoAddresses {
        /// The name that was asked for.
        name: String,
    },
    /// No server answered in time.
    #[error("no DNS server answered for {name} within {within:?}")]
    Timeout {
        /// The name that was asked for.
        name: String,
        /// How long it was waited for.
        within: Duration,
    },
    /// Anything else; the source tells.
    #[error("{name} could not be resolved")]
    Failed {
        /// The name that was asked for.
        name: String,
        /// What went wrong.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

/// A source of endpoints.
///
/// The channel spawns [`run`](Resolve::run) and aborts it when the last clone of the channel is
/// dropped, so it needs no shutdown of its own.
pub trait Resolve: Send + 'static {
    /// Publishes answers until it is aborted. A resolver whose answer never changes may return; what
    /// it published stays.
    fn run(self, publisher: Publisher) -> impl Future<Output = ()> + Send;
}

/// How a resolver tells the channel what it found.
#[derive(Debug)]
pub struct Publisher {
    answers: mpsc::Sender<Answer>,
    again: Arc<Notify>,
    #[cfg(feature = "kubernetes")]
    dns: dns::Config,
}

/// What a resolver found.
pub(crate) type Answer = Result<Vec<Endpoint>, ResolveError>;

/// The channel's end of a [`Publisher`].
#[derive(Debug)]
pub(crate) struct Subscriber {
    answers: mpsc::Receiver<Answer>,
    again: Arc<Notify>,
}

/// The resolver that a target asks for.
#[derive(Debug)]
pub(crate) struct OfTarget {
    kind: Kind,
    dns: dns::Config,
}

/// A list of addresses that never changes.
#[derive(Clone, Debug)]
struct Fixed(Vec<Endpoint>);

// === impl Address ===

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(f),
            #[cfg(unix)]
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Socket(address)
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// An endpoint at an address.
    pub fn new(address: impl Into<Address>) -> Self {
        Self {
            address: address.into(),
            weight: 1,
            zone: None,
        }
    }

    /// The same in a zone.
    #[must_use]
    pub fn with_zone(self, zone: impl Into<Option<String>>) -> Self {
        Self {
            zone: zone.into(),
            ..self
        }
    }

    /// The same with a weight.
    #[must_use]
    pub fn with_weight(self, weight: u32) -> Self {
        Self { weight, ..self }
    }
}

// === impl Publisher ===

impl Publisher {
    /// Replaces the channel's endpoints. An empty list is taken as [`ResolveError::NoAddresses`]
    /// would be: what is known stays.
    pub async fn publish(&self, answer: Result<Vec<Endpoint>, ResolveError>) {
        // The receiver is gone only when the channel is, and then nobody wants the answer.
        let _ = self.answers.send(answer).await;
    }

    /// Completes when the channel asks for a fresh answer because a subchannel broke. Cancel-safe.
    ///
    /// How often to follow such hints is the resolver's decision.
    pub async fn requested(&self) {
        self.again.notified().await;
    }
}

#[cfg(feature = "kubernetes")]
impl Publisher {
    /// For another resolver that answers in place of this one.
    pub(crate) fn share(&self) -> Self {
        Self {
            answers: self.answers.clone(),
            again: self.again.clone(),
            dns: self.dns,
        }
    }

    /// How the channel wants DNS to be asked, for a resolver that falls back to it.
    pub(crate) fn dns(&self) -> dns::Config {
        self.dns
    }
}

// === impl Subscriber ===

impl Subscriber {
    /// The two ends, where `dns` is how the channel wants DNS to be asked.
    #[cfg_attr(
        not(feature = "kubernetes"),
        expect(unused_variables, reason = "no other resolver falls back to DNS")
    )]
    pub(crate) fn pair(dns: dns::Config) -> (Publisher, Self) {
        let (sender, answers) = mpsc::channel(1);
        let again = Arc::new(Notify::new());
        let publisher = Publisher {
            answers: sender,
            again: again.clone(),
            #[cfg(feature = "kubernetes")]
            dns,
        };
        (publisher, Self { answers, again })
    }

    /// The next answer; never completes after the resolver has returned. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Answer {
        match self.answers.recv().await {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    /// Asks for a fresh answer.
    pub(crate) fn request(&self) {
        self.again.notify_one();
    }
}

// === impl OfTarget ===

impl OfTarget {
    pub(crate) fn new(target: &Target, dns: dns::Config) -> Self {
        Self::of(target.kind().clone(), dns)
    }

    fn of(kind: Kind, dns: dns::Config) -> Self {
        Self { kind, dns }
    }
}

impl Resolve for OfTarget {
    async fn run(self, publisher: Publisher) {
        match self.kind {
            Kind::Dns { server, host, port } => {
                Dns::new(server, host, port, self.dns).run(publisher).await;
            }
            Kind::Srv { server, name } => Dns::srv(server, name, self.dns).run(publisher).await,
            #[cfg(feature = "kubernetes")]
            Kind::Kubernetes {
                service,
                namespace,
                port,
            } => {
                let slices = EndpointSlices::inferred(namespace, service, port);
                slices.run(publisher).await;
            }
            Kind::Fixed(addresses) => {
                let endpoints = addresses.into_iter().map(Endpoint::new).collect();
                Fixed(endpoints).run(publisher).await;
            }
        }
    }
}

// === impl Fixed ===

impl Resolve for Fixed {
    async fn run(self, publisher: Publisher) {
        publisher.publish(Ok(self.0)).await;
    }
}
