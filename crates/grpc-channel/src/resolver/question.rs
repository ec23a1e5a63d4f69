//! A target asked for once, by hand: what an operator does with `nslookup`, asked as the channel asks.
//!
//! A channel resolves in the background and keeps what it knows; whoever wants to see the answer
//! itself, with its TTL, or why there is none, asks here.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::dns::{self, Dns};
use super::{Endpoint, OfTarget, Resolve as _, ResolveError, Subscriber};
use crate::error::Error;
use crate::target::{Kind, Target};

/// A target as a question that can be asked more than once; nothing of an answer is kept.
///
/// ```no_run
/// use std::time::Duration;
/// use grpc_channel::resolver::Question;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let question = Question::about("dns:///echo-headless.default.svc.cluster.local.:50051")?;
/// let answer = question.ask(Duration::from_secs(5)).await?;
/// println!("{}: {} addresses", question.source(), answer.endpoints.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Question {
    target: Target,
}

/// Who is asked, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// DNS, for the A and AAAA records of a name. The hosts file comes first, unless a server is named.
    Dns {
        /// As the target says it: with a final dot if it is absolute.
        name: String,
        /// The server that the target names; `None` for those of `resolv.conf`.
        server: Option<SocketAddr>,
    },
    /// DNS, for the SRV records of a name and the addresses of their hosts.
    Srv {
        /// As for [`Source::Dns`].
        name: String,
        /// As for [`Source::Dns`].
        server: Option<SocketAddr>,
    },
    /// The Kubernetes API, for the EndpointSlices of a Service.
    EndpointSlices {
        /// The Service's namespace.
        namespace: String,
        /// The Service.
        service: String,
    },
    /// Nobody: the target is a list of addresses, or a Unix socket.
    Target,
}

/// One answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Resolution {
    /// The endpoints, sorted by address, each once. At least one.
    pub endpoints: Vec<Endpoint>,
    /// The name that has them, with the search domain that it was found in and a final dot; `None`
    /// where the answer does not come from the A and AAAA records of one name.
    pub name: Option<String>,
    /// How long the answer may be believed, in whole seconds; `None` where no time is told, as by a
    /// watch and by a list of addresses.
    pub ttl: Option<Duration>,
}

// === impl Question ===

impl Question {
    /// Reads a target, of the syntax of [`Channel::builder`](crate::Channel::builder).
    ///
    /// # Errors
    ///
    /// When the target is not valid.
    pub fn about(target: &str) -> Result<Self, Error> {
        Ok(Self {
            target: target.parse::<Target>()?,
        })
    }

    /// Who is asked, and for what.
    #[must_use]
    pub fn source(&self) -> Source {
        match self.target.kind() {
            Kind::Dns { server, host, .. } => Source::Dns {
                name: host.clone(),
                server: *server,
            },
            Kind::Srv { server, name } => Source::Srv {
                name: name.clone(),
                server: *server,
            },
            #[cfg(feature = "kubernetes")]
            Kind::Kubernetes {
                service, namespace, ..
            } => Source::EndpointSlices {
                namespace: namespace.clone(),
                service: service.clone(),
            },
            Kind::Fixed(_) => Source::Target,
        }
    }

    /// The host that calls name in `:authority`, and that a certificate must be for: never a replica's
    /// address when a name was given, and without the final dot. IPv6 addresses stand in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.target.authority().host()
    }

    /// Asks, and waits for the answer for as long as `timeout`. Cancel-safe.
    ///
    /// # Errors
    ///
    /// Says why there are no addresses; an answer without any is [`ResolveError::NoAddresses`].
    pub async fn ask(&self, timeout: Duration) -> Result<Resolution, ResolveError> {
        let config = dns::Config {
            timeout,
            ..dns::Config::default()
        };
        match self.target.kind().clone() {
            Kind::Dns { server, host, port } => Dns::new(server, host, port, config).once().await,
            Kind::Srv { server, name } => Dns::srv(server, name, config).once().await,
            #[cfg(feature = "kubernetes")]
            kind @ Kind::Kubernetes { .. } => self.first(kind, config).await,
            kind @ Kind::Fixed(_) => self.first(kind, config).await,
        }
    }

    /// The first answer of a resolver that runs on.
    async fn first(&self, kind: Kind, config: dns::Config) -> Result<Resolution, ResolveError> {
        let name = || self.host().to_owned();
        let (publisher, mut subscriber) = Subscriber::pair(config);
        let resolver = OfTarget::of(kind, config);
        let answer = async {
            tokio::select! {
                answer = subscriber.next() => answer,
                never = async {
                    resolver.run(publisher).await;
                    std::future::pending().await
                } => never,
            }
        };
        let timed_out = |_elapsed| ResolveError::Timeout {
            name: name(),
            within: config.timeout,
        };
        let mut endpoints = tokio::time::timeout(config.timeout, answer)
            .await
            .map_err(timed_out)??;
        if endpoints.is_empty() {
            return Err(ResolveError::NoAddresses { name: name() });
        }
        endpoints.sort_by(|a, b| a.address.cmp(&b.address));
        endpoints.dedup_by(|a, b| a.address == b.address);
        Ok(Resolution {
            endpoints,
            name: None,
            ttl: None,
        })
    }
}

// === impl Source ===

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, records, server) = match self {
            Self::Dns { name, server } => (name, "A and AAAA", server),
            Self::Srv { name, server } => (name, "SRV", server),
            Self::EndpointSlices { namespace, service } => {
                return write!(f, "the EndpointSlices of {service} in {namespace}");
            }
            Self::Target => return f.write_str("the target itself"),
        };
        write!(f, "the {records} records of {name}")?;
        match server {
            Some(server) => write!(f, " at {server}"),
            None => Ok(()),
        }
    }
}
