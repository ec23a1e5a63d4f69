//! The resolver of `dns:` targets.
//!
//! It asks on a timer, whether or not anything broke: a client that asks only after a failure never
//! sees the replicas that were added (grpc/grpc#12295). The times come from [`Schedule`]; the
//! queries, `resolv.conf`, search domains, EDNS0 and the fallback to TCP from hickory.

mod schedule;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::{Resolver, TokioResolver};

use self::schedule::{Outcome, Schedule};
use super::{Answer, Endpoint, Publisher, Resolve, ResolveError};

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
    port: u16,
    config: Config,
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
            port,
            config,
        }
    }

    fn resolver(&self) -> Result<TokioResolver, NetError> {
        let mut builder = match self.server {
            None => Resolver::builder_tokio()?,
            Some(server) => {
                let mut name_server = NameServerConfig::udp_and_tcp(server.ip());
                for connection in &mut name_server.connections {
                    connection.port = server.port();
                }
                let config = ResolverConfig::from_parts(None, Vec::new(), vec![name_server]);
                Resolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options: &mut ResolverOpts = builder.options_mut();
        // The schedule decides how old an answer may be; a cache would decide it a second time.
        options.cache_size = 0;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        // About 25 addresses fill the 512 bytes that DNS had without it.
        options.edns0 = true;
        options.try_tcp_on_error = true;
        // A and AAAA are asked for at the same time, and the answer is both. Some servers leave AAAA
        // unanswered; both attempts must be over before the whole is, or A would be lost as well.
        options.attempts = 1;
        options.timeout = self.config.timeout.mul_f64(0.4);
        builder.build()
    }

    /// One question, and until when its answer may be believed.
    async fn ask(&self, resolver: &TokioResolver) -> (Answer, Outcome) {
        let lookup =
            tokio::time::timeout(self.config.timeout, resolver.lookup_ip(self.host.as_str()));
        let error = match lookup.await {
            Ok(Ok(found)) => {
                let mut endpoints: Vec<Endpoint> = found
                    .iter()
                    .map(|ip| Endpoint::new(SocketAddr::from((ip, self.port))))
                    .collect();
                endpoints.sort_by(|a, b| a.address.cmp(&b.address));
                endpoints.dedup();
                if !endpoints.is_empty() {
                    let ttl = found
                        .valid_until()
                        .saturating_duration_since(Instant::now());
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

fn failed(name: String, error: impl std::error::Error + Send + Sync + 'static) -> ResolveError {
    ResolveError::Failed {
        name,
        source: Arc::new(error),
    }
}

impl Resolve for Dns {
    async fn run(self, publisher: Publisher) {
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
