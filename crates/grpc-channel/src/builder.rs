//! The settings of a channel, until it connects.

mod balancing;
mod calls;
mod failover;
#[cfg(feature = "otel")]
mod otel;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::uri::Scheme;
use tokio::sync::watch;

use self::calls::Calls;
use self::failover::Fallbacks;
#[cfg(feature = "otel")]
use self::otel::Otel;
use crate::backoff::Backoff;
use crate::balancer;
use crate::call::Throttle;
use crate::channel::{Channel, Inner};
use crate::error::Error;
use crate::failover::Failover;
use crate::level::{Level, Levels};
use crate::method::{DescriptorError, Descriptors};
#[cfg(not(feature = "otel"))]
use crate::metrics::Metrics;
use crate::resolver::dns;
use crate::resolver::{OfTarget, Resolve};
use crate::service_config::ServiceConfig;
use crate::subchannel;
use crate::target::Target;
#[cfg(feature = "tls")]
use crate::tls::Tls;
use crate::transport::Keepalive;

/// What this crate adds to `user-agent`.
const USER_AGENT: &str = concat!("grpc-channel-rust/", env!("CARGO_PKG_VERSION"));

/// Makes a [`Channel`]. Every setting has a default.
#[derive(Debug)]
#[must_use = "a builder does nothing until it connects"]
pub struct Builder {
    target: String,
    fallbacks: Fallbacks,
    subchannel: subchannel::Config,
    balancing: balancer::Settings,
    subset: Option<usize>,
    max_connecting: usize,
    dns: dns::Config,
    user_agent: Option<String>,
    wait_for_ready: bool,
    calls: Calls,
    descriptors: Result<Descriptors, DescriptorError>,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
    #[cfg(feature = "otel")]
    otel: Otel,
}

// === impl Builder ===

impl Builder {
    pub(crate) fn new(target: String) -> Self {
        /// A hundred connections in one round trip of 1 ms are 10,000 in a tenth of a second, and
        /// few enough for the listen queue of a peer that all of them lead to.
        const MAX_CONNECTING: usize = 100;
        Self {
            target,
            fallbacks: Fallbacks::default(),
            subchannel: subchannel::Config::default(),
            balancing: balancer::Settings::default(),
            subset: None,
            max_connecting: MAX_CONNECTING,
            dns: dns::Config::default(),
            user_agent: None,
            wait_for_ready: false,
            calls: Calls::default(),
            descriptors: Ok(Descriptors::default()),
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "otel")]
            otel: Otel::default(),
        }
    }

    /// How long making a connection may take: TCP, TLS, and the first answer over HTTP/2. Default: 20 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.subchannel.transport.connect_timeout = timeout;
        self
    }

    /// Speaks TLS to every replica, who must prove to be the target's host; `:scheme` is `https`.
    /// Default: plaintext.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// When to ping a silent peer; `None` never does. Default: [`Keepalive::default`].
    pub fn keepalive(mut self, keepalive: impl Into<Option<Keepalive>>) -> Self {
        self.subchannel.transport.keepalive = keepalive.into();
        self
    }

    /// How long to wait between attempts to connect. Default: [`Backoff::default`].
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.subchannel.backoff = backoff;
        self
    }

    /// The bounds of the time between two DNS queries. An answer is believed for its TTL, but at
    /// least `min` and at most `max`; a broken subchannel asks at once, but never sooner than `min`
    /// after the query before. Default: 1 s to 30 s.
    pub fn dns_interval(mut self, min: Duration, max: Duration) -> Self {
        self.dns.min_interval = min;
        self.dns.max_interval = max;
        self
    }

    /// How long one DNS resolution may take. Default: 5 s.
    pub fn dns_timeout(mut self, timeout: Duration) -> Self {
        self.dns.timeout = timeout;
        self
    }

    /// What `user-agent` begins with; the name and version of this crate follow.
    pub fn user_agent(mut self, prefix: impl Into<String>) -> Self {
        self.user_agent = Some(prefix.into());
        self
    }

    /// Whether calls wait while no replica can be reached, unless they say it themselves with
    /// [`WaitForReady`](crate::WaitForReady). Default: they fail with UNAVAILABLE.
    pub fn wait_for_ready(mut self, wait: bool) -> Self {
        self.wait_for_ready = wait;
        self
    }

    /// What the services' `.proto` files say about their methods, as a serialized
    /// `google.protobuf.FileDescriptorSet`. May be called for several sets.
    ///
    /// Methods that they mark with `option idempotency_level` may be retried. Without it only calls
    /// that no server has processed are sent again.
    ///
    /// The descriptors also tell which responses are streams. One that is not is held back until it is
    /// whole, so that a call whose replica dies in the middle of the response is retried too. With the
    /// feature `otel` the metrics name all methods of the sets.
    pub fn descriptors(mut self, file_descriptor_set: &[u8]) -> Self {
        if let Ok(methods) = &mut self.descriptors
            && let Err(error) = methods.add(file_descriptor_set)
        {
            self.descriptors = Err(error);
        }
        self
    }

    /// Starts to connect, in the background: a call may be made at once and waits for the first
    /// connection.
    ///
    /// # Errors
    ///
    /// When the target, a setting or a descriptor set is not valid, or outside of a tokio runtime.
    pub fn connect(self) -> Result<Channel, Error> {
        let target: Target = self.target.parse()?;
        let resolver = OfTarget::new(&target, self.dns);
        self.spawn(target, resolver)
    }

    /// Starts to connect to what `resolver` gives, instead of resolving the target; the target then
    /// only names the authority.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn connect_with(self, resolver: impl Resolve) -> Result<Channel, Error> {
        let target: Target = self.target.parse()?;
        self.spawn(target, resolver)
    }

    fn spawn(mut self, target: Target, resolver: impl Resolve) -> Result<Channel, Error> {
        let asked =
            std::mem::replace(&mut self.calls.service_config, Ok(ServiceConfig::default()))?;
        self.heed(&asked);
        self.check()?;
        let user_agent = self.user_agent_header()?;
        let scheme = self.scheme();
        let descriptors = std::mem::replace(&mut self.descriptors, Ok(Descriptors::default()))?;
        #[cfg(feature = "otel")]
        let metrics = self
            .otel
            .metrics(target.as_str(), target.authority(), &descriptors);
        #[cfg(not(feature = "otel"))]
        let metrics = Metrics;
        self.subchannel.metrics = metrics.clone();
        let first = self.level(target, &scheme, &user_agent)?;
        let fallbacks = self.lower_levels(&scheme, &user_agent)?;
        let (attempts, buffer) = (self.calls.attempts(), self.calls.buffer());
        let credentials = self.calls.credentials(scheme == Scheme::HTTPS);
        let _runtime = tokio::runtime::Handle::try_current().map_err(|_| Error::no_runtime())?;

        let (name, authority) = (first.name(), first.authority().clone());
        let settings = watch::Sender::new(self.balancing);
        let levels = if fallbacks.is_empty() {
            Levels::One {
                target: name.clone(),
                level: Level::start_with(resolver, &first, settings.subscribe(), None),
            }
        } else {
            let config = self.fallbacks.config;
            let failover = Failover::start(first, resolver, fallbacks, settings.clone(), config);
            Levels::Several(failover)
        };
        Ok(Channel::new(Inner {
            target: name,
            authority,
            scheme,
            user_agent,
            wait_for_ready: self.wait_for_ready,
            attempts,
            credentials,
            methods: asked.methods,
            throttle: asked.throttling.map(Throttle::new),
            buffer: Arc::new(buffer),
            descriptors,
            settings,
            slot: levels.slot(),
            levels,
            metrics,
        }))
    }

    #[cfg(feature = "tls")]
    fn scheme(&self) -> Scheme {
        if self.tls.is_some() {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        }
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, reason = "with the feature it matters")]
    fn scheme(&self) -> Scheme {
        Scheme::HTTP
    }

    fn check(&self) -> Result<(), Error> {
        let expect = |holds: bool, name, expected| {
            if holds {
                Ok(())
            } else {
                Err(Error::setting(name, expected))
            }
        };
        let zero = Duration::ZERO;
        let backoff = self.subchannel.backoff;
        expect(
            self.subchannel.transport.connect_timeout > zero,
            "connect_timeout",
            "more than 0 s",
        )?;
        self.balancing.policy.check()?;
        if let Some(detection) = &self.balancing.outlier_detection {
            detection.check()?;
        }
        let connections = self.subchannel.connections;
        expect(
            connections.max >= 1 && connections.max_calls >= 1 && connections.idle > zero,
            "connections",
            "max and max_calls of at least 1, and idle of more than 0 s",
        )?;
        expect(self.subset != Some(0), "subset", "at least 1")?;
        expect(
            (1..=tokio::sync::Semaphore::MAX_PERMITS).contains(&self.max_connecting),
            "max_connecting",
            "at least 1",
        )?;
        expect(
            self.dns.min_interval > zero && self.dns.min_interval <= self.dns.max_interval,
            "dns_interval",
            "0 s < min <= max",
        )?;
        expect(self.dns.timeout > zero, "dns_timeout", "more than 0 s")?;
        let failover = self.fallbacks.config.timeout;
        expect(failover > zero, "failover_timeout", "more than 0 s")?;
        expect(
            backoff.base > zero
                && backoff.multiplier >= 1.0
                && (0.0..=1.0).contains(&backoff.jitter),
            "backoff",
            "base > 0 s, multiplier >= 1 and jitter from 0 to 1",
        )?;
        if let Some(keepalive) = self.subchannel.transport.keepalive {
            expect(
                keepalive.time > zero && keepalive.timeout > zero,
                "keepalive",
                "time and timeout of more than 0 s",
            )?;
        }
        self.calls.check()
    }

    fn user_agent_header(&self) -> Result<HeaderValue, Error> {
        let text = match &self.user_agent {
            None => return Ok(HeaderValue::from_static(USER_AGENT)),
            Some(prefix) => format!("{prefix} {USER_AGENT}"),
        };
        text.parse()
            .map_err(|_| Error::setting("user_agent", "printable ASCII"))
    }
}
