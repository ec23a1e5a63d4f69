//! The resolver of `dns:` targets.
//!
//! It asks on a timer, whether or not anything broke: a client that asks only after a failure never
//! sees the replicas that were added (grpc/grpc#12295). The times come from [`Schedule`]; the
//! queries, `resolv.conf`, search domains, EDNS0 and the fallback to TCP from hickory.

mod host;
mod schedule;
// hickory reads a `resolv.conf` only where there is one.
#[cfg(test)]
#[cfg(target_os = "linux")]
mod search;
mod srv;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Resolver, TokioResolver};

use self::host::{Host, is_absent};
use self::schedule::{Outcome, Schedule};
use self::srv::Hosts;
use super::{Answer, Endpoint, Publisher, Resolution, Resolve, ResolveError};

/// When and how long to ask DNS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// The shortest time between two queries, also when subchannels break.
    pub(crate) min_interval: Duration,
    /// The longest time an answer is believed, whatever its TTL says.
    pub(crate) max_interval: Duration,
    /// How long one resolution may take, all servers and search domains together.
    pub(crate) timeout: Duration,
}

/// Asks DNS for the addresses of a name.
pub(crate) struct Dns {
    server: Option<SocketAddr>,
    host: String,
    ports: Ports,
    /// The addresses that each host had last.
    known: Hosts,
    config: Config,
}

/// Where the ports come from.
enum Ports {
    /// All addresses of the name listen on this one.
    One(u16),
    /// The name has SRV records.
    Srv,
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            min_interval: Duration::from_secs(1),
            max_interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
        }
    }
}

// === impl Dns ===

impl Dns {
    pub(crate) fn new(server: Option<SocketAddr>, host: String, port: u16, config: Config) -> Self {
        Self {
            server,
            host,
            ports: Ports::One(port),
            known: Hosts::new(),
            config,
        }
    }

    /// One that takes the hosts and ports from the SRV records of `name`.
    pub(crate) fn srv(server: Option<SocketAddr>, name: String, config: Config) -> Self {
        Self {
            server,
            host: name,
            ports: Ports::Srv,
            known: Hosts::new(),
            config,
        }
    }

    fn resolver(&self) -> Result<TokioResolver, NetError> {
        let mut builder = match self.server {
            None => Resolver::builder_tokio()?,
            Some(server) => {
                let servers = vec![name_server(server)];
                let config = ResolverConfig::from_parts(None, Vec::new(), servers);
                Resolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        tune(builder.options_mut(), self.config);
        builder.build()
    }

    /// One question, and until when its answer may be believed.
    async fn ask(&mut self, resolver: &TokioResolver) -> (Answer, Outcome) {
        /// What part of the time is left when it is asked for a missing family; the rest is for
        /// what has been found by then.
        const PART: f64 = 0.9;
        let timeout = self.config.timeout;
        let until = tokio::time::Instant::now() + timeout.mul_f64(PART);
        let (host, known) = (&self.host, &mut self.known);
        let found = async {
            match self.ports {
                Ports::One(port) => addresses(resolver, host, port, known, until).await,
                Ports::Srv => services(resolver, host, known, until).await,
            }
        };
        let error = match tokio::time::timeout(timeout, found).await {
            Ok(Ok((endpoints, valid_until))) => {
                if !endpoints.is_empty() {
                    let ttl = valid_until.saturating_duration_since(Instant::now());
                    return (Ok(endpoints), Outcome::Answer { ttl });
                }
                ResolveError::NoAddresses {
                    name: self.host.clone(),
                }
            }
            Ok(Err(error)) => self.explain(error),
            Err(_elapsed) => self.timed_out(),
        };
        (Err(error), Outcome::Failure)
    }

    /// Asks once, without a schedule.
    pub(super) async fn once(mut self) -> Result<Resolution, ResolveError> {
        let resolver = self
            .resolver()
            .map_err(|error| failed(self.host.clone(), error))?;
        let (answer, outcome) = self.ask(&resolver).await;
        let name = match self.ports {
            Ports::One(_) => self.known.keys().next().map(Name::to_string),
            Ports::Srv => None,
        };
        let ttl = match outcome {
            Outcome::Answer { ttl } => Some(whole_seconds(ttl)),
            Outcome::Failure => None,
        };
        Ok(Resolution {
            endpoints: answer?,
            name,
            ttl,
        })
    }

    fn explain(&self, error: NetError) -> ResolveError {
        let name = self.host.clone();
        match &error {
            NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
                ResponseCode::NXDomain => ResolveError::NoSuchName { name },
                ResponseCode::NoError => ResolveError::NoAddresses { name },
                _ => failed(name, error),
            },
            NetError::Timeout => self.timed_out(),
            // What wraps it says the same words once more.
            NetError::Dns(dns) => failed(name, dns.clone()),
            _ => failed(name, error),
        }
    }

    fn timed_out(&self) -> ResolveError {
        ResolveError::Timeout {
            name: self.host.clone(),
            within: self.config.timeout,
        }
    }
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    server
}

/// Sets what must not be left to `resolv.conf`.
fn tune(options: &mut ResolverOpts, config: Config) {
    // The schedule decides how old an answer may be; a cache would decide it a second time.
    options.cache_size = 0;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // About 25 addresses fill the 512 bytes that DNS had without it.
    options.edns0 = true;
    options.try_tcp_on_error = true;
    // A and AAAA are asked for at the same time, and the answer is both. Some servers leave AAAA
    // unanswered; both attempts must be over before the whole is, or A would be lost as well.
    options.attempts = 1;
    options.timeout = config.timeout.mul_f64(0.4);
}

/// What is known, and until when.
type Found = (Vec<Endpoint>, Instant);

/// All addresses of a name, in order, each once. A family that cannot be asked for keeps those of
/// `known`.
async fn addresses(
    resolver: &TokioResolver,
    host: &str,
    port: u16,
    known: &mut Hosts,
    until: tokio::time::Instant,
) -> Result<Found, NetError> {
    let found = Host::look_up(resolver, host, known, until).await?;
    let mut endpoints: Vec<Endpoint> = found
        .ips
        .iter()
        .map(|ip| Endpoint::new(SocketAddr::from((*ip, port))))
        .collect();
    endpoints.sort_by(|a, b| a.address.cmp(&b.address));
    endpoints.dedup();
    *known = Hosts::from([(found.name, found.ips)]);
    Ok((endpoints, found.valid_until))
}

/// The endpoints of the preferred SRV records that lead to an address. A target that cannot be
/// resolved keeps the addresses of `known`, unless it has none any more.
async fn services(
    resolver: &TokioResolver,
    name: &str,
    known: &mut Hosts,
    until: tokio::time::Instant,
) -> Result<Found, NetError> {
    /// How many targets are asked for at the same time.
    const CONCURRENCY: usize = 16;
    let found = resolver.lookup(name, RecordType::SRV).await?;
    let mut valid_until = found.valid_until();
    let glue = srv::glue(found.additionals());
    let mut last = None;
    for services in srv::by_priority(found.answers()) {
        let mut hosts = Hosts::new();
        let mut missing: Vec<Name> = Vec::new();
        for service in &services {
            match glue.get(&service.target) {
                Some(ips) => drop(hosts.insert(service.target.clone(), ips.clone())),
                None if missing.contains(&service.target) => {}
                None => missing.push(service.target.clone()),
            }
        }
        let before = &*known;
        let mut lookups = stream::iter(missing)
            .map(|host| async {
                let found = Host::look_up(resolver, &host.to_string(), before, until).await;
                (host, found)
            })
            .buffer_unordered(CONCURRENCY);
        while let Some((host, found)) = lookups.next().await {
            match found {
                Ok(found) => {
                    valid_until = valid_until.min(found.valid_until);
                    hosts.insert(host, found.ips);
                }
                Err(error) => {
                    let gone = is_absent(&error);
                    if let Some(ips) = before.get(&host).filter(|_| !gone) {
                        hosts.insert(host, ips.clone());
                    }
                    last = Some(error);
                }
            }
        }
        drop(lookups);
        let endpoints = srv::endpoints(&services, &hosts);
        if !endpoints.is_empty() {
            *known = hosts;
            return Ok((endpoints, valid_until));
        }
    }
    match last {
        Some(error) => Err(error),
        None => Ok((Vec::new(), valid_until)),
    }
}

/// The TTL that an answer came with, some of which has passed since: it is in whole seconds.
fn whole_seconds(left: Duration) -> Duration {
    Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0))
}

fn failed(name: String, error: impl std::error::Error + Send + Sync + 'static) -> ResolveError {
    ResolveError::Failed {
        name,
        source: Arc::new(error),
    }
}

impl Resolve for Dns {
    async fn run(mut self, publisher: Publisher) {
        let mut schedule = Schedule::new(
            self.config.min_interval,
            self.config.max_interval,
            Instant::now(),
        );
        let mut resolver = None;
        loop {
            schedule.asked(Instant::now());
            // `resolv.conf` can be unreadable for a moment; it is read again as long as it is.
            let built = match resolver.take() {
                Some(resolver) => Ok(resolver),
                None => self.resolver(),
            };
            let (answer, outcome) = match built {
                Ok(built) => {
                    let asked = self.ask(&built).await;
                    resolver = Some(built);
                    asked
                }
                Err(error) => (Err(failed(self.host.clone(), error)), Outcome::Failure),
            };
            publisher.publish(answer).await;

            schedule.concluded(outcome, Instant::now(), fastrand::f64());
            tokio::select! {
                () = tokio::time::sleep_until(schedule.next().into()) => {}
                () = publisher.requested() => {
                    tokio::time::sleep_until(schedule.soonest().into()).await;
                }
            }
        }
    }
}
