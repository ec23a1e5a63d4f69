//! What each caller uses: how many calls it has running, and how often it began one.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::Request;
use moka::sync::Cache;
use tonic::transport::server::TcpConnectInfo;

use super::running::{PerCaller, Usage};
use super::{Config, Limit, SOON};
use crate::auth::Caller;

/// The callers that called of late. Parts that no limit needs are `None`.
pub(super) struct Callers {
    running: Option<Arc<PerCaller>>,
    /// The health watches of callers, which are counted apart.
    watches: Option<Arc<PerCaller>>,
    rates: Option<Rates>,
}

/// How often callers began calls.
struct Rates {
    known: Cache<Key, Arc<DefaultDirectRateLimiter>>,
    quota: Quota,
    clock: DefaultClock,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Caller(Arc<str>),
    Address(IpAddr),
    /// Over something without addresses.
    Unknown,
}

/// After this time without a call a caller has its whole rate again, whatever it is.
const FORGOTTEN: Duration = Duration::from_mins(10);

// === impl Callers ===

impl Callers {
    pub(super) fn new(config: &Config) -> Self {
        let most = config.max_concurrent_calls_per_caller;
        let table = || (most > 0).then(|| Arc::new(PerCaller::new(most)));
        Self {
            running: table(),
            watches: table(),
            rates: config.quota().map(|(rate, burst)| Rates {
                known: Cache::builder()
                    .max_capacity(config.max_callers)
                    .time_to_idle(FORGOTTEN)
                    .build(),
                quota: Quota::per_second(rate).allow_burst(burst),
                clock: DefaultClock::default(),
            }),
        }
    }

    /// A call's place among those of its caller; or the limit that is met, and when to come again.
    pub(super) fn admit<B>(&self, call: &Request<B>) -> Result<Option<Usage>, (Limit, Duration)> {
        if self.running.is_none() && self.rates.is_none() {
            return Ok(None);
        }
        let key = Key::of(call);
        let usage = place(self.running.as_ref(), &key)?;
        if let Some(rates) = &self.rates {
            let wait = rates.wait(&key);
            wait.map_or(Ok(()), |wait| Err((Limit::RatePerCaller, wait)))?;
        }
        Ok(usage)
    }

    /// The same for a health watch, which has no rate.
    pub(super) fn admit_watch<B>(
        &self,
        call: &Request<B>,
    ) -> Result<Option<Usage>, (Limit, Duration)> {
        place(self.watches.as_ref(), &Key::of(call))
    }
}

fn place(table: Option<&Arc<PerCaller>>, key: &Key) -> Result<Option<Usage>, (Limit, Duration)> {
    let Some(table) = table else { return Ok(None) };
    let usage = PerCaller::admit(table, key);
    usage.map_or(Err((Limit::ConcurrentCallsPerCaller, SOON)), |usage| {
        Ok(Some(usage))
    })
}

// === impl Rates ===

impl Rates {
    /// How long the caller has to wait, if it called too often.
    fn wait(&self, key: &Key) -> Option<Duration> {
        let make = || Arc::new(RateLimiter::direct(self.quota));
        let rate = self.known.get_with_by_ref(key, make);
        let early = rate.check().err()?;
        Some(early.wait_time_from(self.clock.now()))
    }
}

// === impl Key ===

impl Key {
    fn of<B>(call: &Request<B>) -> Self {
        if let Some(caller) = call.extensions().get::<Caller>() {
            return Self::Caller(caller.name().clone());
        }
        let info = call.extensions().get::<TcpConnectInfo>();
        match info.and_then(TcpConnectInfo::remote_addr) {
            Some(address) => Self::Address(network(address.ip())),
            None => Self::Unknown,
        }
    }
}

/// What one host can be expected to have for itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let bits = address.to_bits() >> 64 << 64;
            Ipv6Addr::from_bits(bits).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_one_caller_whatever_address_it_takes() {
        for (one, other, same) in [
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("2001:db8::1", "2001:db8::ffff:2", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            let [one, other] = [one, other].map(|it| network(it.parse().unwrap()));
            assert_eq!(one == other, same, "{one} and {other}");
        }
    }
}
