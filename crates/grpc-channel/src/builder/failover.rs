//! The settings of a channel about targets of lower priority.

use std::time::Duration;

use http::HeaderValue;
use http::uri::Scheme;

use super::Builder;
use crate::balancer;
use crate::error::Error;
use crate::failover;
use crate::health::Check;
use crate::level;
use crate::target::Target;

/// What a channel does about targets that fail.
#[derive(Debug, Default)]
pub(super) struct Fallbacks {
    pub(super) targets: Vec<String>,
    pub(super) config: failover::Config,
}

// === impl Builder ===

impl Builder {
    /// Adds a target that is used when those before it have failed; may be called several times, in
    /// order of priority. The syntax is that of [`Channel::builder`](crate::Channel::builder).
    ///
    /// The semantics are those of gRPC's priority policy (gRFC [A56]). The first target that has not
    /// failed is used, by itself: its replicas take all calls, under the same policy and settings as
    /// any other target's. A target has failed when none of its replicas can be reached (or serves,
    /// with a [`health_check`](Self::health_check)), when its name gives no address, or when it is not
    /// READY within the [`failover_timeout`](Self::failover_timeout); from then on it counts as failed
    /// until it is READY. Nothing of a fallback is resolved or connected to before it is needed. When a target of
    /// higher priority is READY again, new calls go there at once; those in flight on the fallback
    /// finish, and it is kept for the [`fallback_retention`](Self::fallback_retention). When all have
    /// failed, calls fail with UNAVAILABLE and say what is wrong with each target, or wait.
    ///
    /// A call's `:authority`, and the name that a replica's certificate must be for, are those of the
    /// target that the replica belongs to, for each attempt: a replica of a fallback need not know
    /// the first target's name, and credentials can tell the targets apart by
    /// [`CallInfo::authority`](crate::credentials::CallInfo::authority).
    ///
    /// ```no_run
    /// use grpc_channel::Channel;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let channel = Channel::builder("dns:///echo.zone-a.example.com:50051")
    ///     .fallback("dns:///echo.zone-b.example.com:50051")
    ///     .connect()?;
    /// # drop(channel);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [A56]: https://github.com/grpc/proposal/blob/master/A56-priority-lb-policy.md
    pub fn fallback(mut self, target: impl Into<String>) -> Self {
        self.fallbacks.targets.push(target.into());
        self
    }

    /// How long a target may be CONNECTING, at its start or when it has lost its last connection,
    /// before the next [`fallback`](Self::fallback) is used. Default: 10 s, as in gRFC A56.
    pub fn failover_timeout(mut self, timeout: Duration) -> Self {
        self.fallbacks.config.timeout = timeout;
        self
    }

    /// How long a [`fallback`](Self::fallback) that is not needed any more keeps its connections, so
    /// that it is there at once when the target of higher priority fails again. Default: 15 min, as in
    /// the other implementations of gRPC's priority policy.
    pub fn fallback_retention(mut self, retention: Duration) -> Self {
        self.fallbacks.config.retention = retention;
        self
    }

    /// The fallbacks, each of which must be right before any is needed.
    pub(super) fn lower_levels(
        &self,
        scheme: &Scheme,
        user_agent: &HeaderValue,
    ) -> Result<Vec<level::Config>, Error> {
        let level = |(target, number): (&String, usize)| {
            let parsed: Result<Target, _> = target.parse();
            parsed
                .map_err(Error::from)
                .and_then(|parsed| self.level(parsed, scheme, user_agent))
                .map_err(|error| Error::fallback(number, error))
        };
        self.fallbacks.targets.iter().zip(1..).map(level).collect()
    }

    /// What a target needs to begin.
    #[cfg_attr(
        not(feature = "tls"),
        expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")
    )]
    pub(super) fn level(
        &self,
        target: Target,
        scheme: &Scheme,
        user_agent: &HeaderValue,
    ) -> Result<level::Config, Error> {
        #[cfg_attr(
            not(feature = "tls"),
            expect(unused_mut, reason = "only TLS differs from target to target")
        )]
        let mut subchannel = self.subchannel.clone();
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls.clone() {
            let host = target.authority().host();
            subchannel.transport.tls = Some(tls.handshake(host)?);
        }
        let check = Check::new(
            scheme.clone(),
            target.authority().clone(),
            user_agent.clone(),
        );
        Ok(level::Config {
            target,
            dns: self.dns,
            balancer: balancer::Config {
                subchannel,
                check,
                subset: self.subset,
                max_connecting: self.max_connecting,
            },
        })
    }
}
