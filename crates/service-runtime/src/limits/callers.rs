//! What each caller uses: how many calls it has running, and how often it began one.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::request;
use moka::sync::Cache;
use tonic::transport::server::TcpConnectInfo;

use super::{Config, Limit, SOON};
use crate::auth::Caller;

/// The callers that called of late.
pub(super) struct Callers {
    /// `None` when no limit tells callers apart.
    known: Option<Cache<Key, Arc<One>>>,
    most: usize,
    quota: Option<Quota>,
    clock: DefaultClock,
}

/// A call of a caller, while it runs.
pub(super) struct Usage(Arc<One>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Caller(String),
    Address(IpAddr),
    /// Over something without addresses.
    Unknown,
}

struct One {
    running: AtomicUsize,
    rate: Option<DefaultDirectRateLimiter>,
}

/// After this time without a call a caller has nothing left to be remembered for.
const FORGOTTEN: Duration = Duration::from_mins(10);

// === impl Callers ===

impl Callers {
    pub(super) fn new(config: &Config) -> Self {
        let most = config.max_concurrent_calls_per_caller;
        let quota = config.quota();
        let known = (most > 0 || quota.is_some()).then(|| {
            Cache::builder()
                .max_capacity(config.max_callers)
                .time_to_idle(FORGOTTEN)
                .build()
        });
        Self {
            known,
            most,
            quota: quota.map(|(rate, burst)| Quota::per_second(rate).allow_burst(burst)),
            clock: DefaultClock::default(),
        }
    }

    /// A call's place among those of its caller; or the limit that is met, and when to come again.
    pub(super) fn admit(&self, call: &request::Parts) -> Result<Option<Usage>, (Limit, Duration)> {
        let Some(known) = &self.known else {
            return Ok(None);
        };
        let one = known.get_with(Key::of(call), || {
            Arc::new(One {
                running: AtomicUsize::new(0),
                rate: self.quota.map(RateLimiter::direct),
            })
        });
        let before = one.running.fetch_add(1, Ordering::Relaxed);
        let usage = Usage(one);
        if self.most > 0 && before >= self.most {
            return Err((Limit::ConcurrentCallsPerCaller, SOON));
        }
        if let Some(rate) = &usage.0.rate
            && let Err(early) = rate.check()
        {
            let wait = early.wait_time_from(self.clock.now());
            return Err((Limit::RatePerCaller, wait));
        }
        Ok(Some(usage))
    }
}

// === impl Key ===

impl Key {
    fn of(call: &request::Parts) -> Self {
        if let Some(caller) = call.extensions.get::<Caller>() {
            return Self::Caller(caller.to_string());
        }
        let info = call.extensions.get::<TcpConnectInfo>();
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

// === impl Usage ===

impl Drop for Usage {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
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
