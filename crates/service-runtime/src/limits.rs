//! Nobody takes the service down: how many calls run at once, how often a caller may call, and how
//! long a call may take.
//!
//! Whoever asks for more gets `RESOURCE_EXHAUSTED` with `RetryInfo`, before memory grows; [`Limits::hits`]
//! counts by which limit, and `/metrics` shows it. A caller is who its credentials say; without credentials it is the peer's IP
//! address (the first 64 bits of an IPv6 one, since a host has all of them to itself). Health checks
//! are exempt: a busy replica is not a dead one. Health watches last, and anybody can open them: they
//! are counted apart, by the same numbers, so that they take no call's place and not all of the memory.
//!
//! The other limits are where the resource is: connections, handshakes, streams and header lists in
//! [`crate::server`], and password checks in [`crate::auth::basic`].

mod callers;
mod deadline;
pub mod layer;
mod messages;
mod metrics;
mod running;

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use foldhash::HashSet;
use http::Request;
use opentelemetry::metrics::Meter;
use serde::{Deserialize, Serialize};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use self::callers::Callers;
use self::running::Usage;
use crate::auth::{HEALTH, refusal};
use crate::methods::Method;
use crate::settings::Violations;

/// How much is served. `0` and `"off"` mean no limit.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The largest message that is read, in bytes. 4 MiB is every gRPC implementation's own default,
    /// so that no client expects more. A service that allows more has to tell its generated server, too.
    pub max_message_size: usize,
    /// How many calls run at the same time. A waiting call holds some 10 KiB, so that 10,000 of them
    /// stay in 100 MiB.
    pub max_concurrent_calls: usize,
    /// How many of them one caller may have: a quarter, so that none takes all places. Health watches
    /// are counted apart, by this number and the one above.
    pub max_concurrent_calls_per_caller: usize,
    /// How many calls a second one caller may begin, in the long run. No limit by default: behind a
    /// proxy all callers without credentials have one address, and only the operator knows.
    pub rate_per_caller: u32,
    /// How many calls it may begin at once before the rate counts. `0` is one second's worth.
    pub burst_per_caller: u32,
    /// How many callers are told apart, at about 300 bytes each; those that called least recently are
    /// forgotten first.
    pub max_callers: u64,
    /// How long a unary call may take, or `"off"`. A call that sends no `grpc-timeout`, or a longer one,
    /// is ended then: nobody waits a minute for an answer, and what nobody waits for holds resources.
    #[serde(with = "crate::settings::duration::or_off")]
    pub max_deadline: Option<Duration>,
    /// The same for calls with streams. `"off"` by default, since a watch lasts until its client
    /// leaves.
    #[serde(with = "crate::settings::duration::or_off")]
    pub max_stream_deadline: Option<Duration>,
}

/// Which limit was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// `max_concurrent_calls`.
    ConcurrentCalls,
    /// `max_concurrent_calls_per_caller`.
    ConcurrentCallsPerCaller,
    /// `rate_per_caller`.
    RatePerCaller,
    /// `max_deadline` or `max_stream_deadline`: the call was ended, with `DEADLINE_EXCEEDED`.
    Deadline,
    /// `max_message_size`. It has no `RetryInfo`: the message does not get smaller.
    MessageSize,
}

/// Holds calls to the limits. Clones share the counts.
#[derive(Clone, Debug)]
pub struct Limits(Option<Arc<Inner>>);

struct Inner {
    config: Config,
    /// The paths of the methods with streams.
    streams: HashSet<String>,
    running: AtomicUsize,
    /// The health watches that run.
    watches: AtomicUsize,
    callers: Callers,
    hits: [AtomicU64; Limit::ALL.len()],
}

/// A call's place; dropped when the last of its response was sent, or when it is cancelled.
struct Place {
    running: Running,
    _usage: Option<Usage>,
}

/// One of the calls that run, or of the health watches.
struct Running {
    inner: Arc<Inner>,
    is_watch: bool,
}

/// When callers may come again for whom there was no place.
const SOON: Duration = Duration::from_secs(1);

// === impl Config ===

impl Config {
    /// Checks what the types cannot.
    pub fn validate(&self, violations: &mut Violations) {
        violations.expect(
            self.max_message_size >= 1024,
            "max_message_size",
            "at least 1024 bytes",
        );
        violations.expect(self.max_callers > 0, "max_callers", "at least 1");
        violations.expect(
            self.rate_per_caller > 0 || self.burst_per_caller == 0,
            "burst_per_caller",
            "0, since rate_per_caller is 0",
        );
        for (duration, name) in [
            (self.max_deadline, "max_deadline"),
            (self.max_stream_deadline, "max_stream_deadline"),
        ] {
            violations.expect(
                duration.is_none_or(|it| !it.is_zero()),
                name,
                "more than zero, or \"off\"",
            );
        }
    }

    /// Limits for a server of these methods; those that it does not know count as unary.
    #[must_use]
    pub fn start(&self, methods: &[Method]) -> Limits {
        let streams = methods.iter().filter(|method| method.is_stream);
        Limits(Some(Arc::new(Inner {
            config: self.clone(),
            streams: streams.map(|method| method.path.clone()).collect(),
            running: AtomicUsize::new(0),
            watches: AtomicUsize::new(0),
            callers: Callers::new(self),
            hits: Default::default(),
        })))
    }

    /// The rate and the burst of one caller.
    fn quota(&self) -> Option<(NonZeroU32, NonZeroU32)> {
        let rate = NonZeroU32::new(self.rate_per_caller)?;
        Some((rate, NonZeroU32::new(self.burst_per_caller).unwrap_or(rate)))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_message_size: 4 << 20,
            max_concurrent_calls: 10_000,
            max_concurrent_calls_per_caller: 2_500,
            rate_per_caller: 0,
            burst_per_caller: 0,
            max_callers: 10_000,
            max_deadline: Some(Duration::from_mins(1)),
            max_stream_deadline: None,
        }
    }
}

// === impl Limit ===

impl Limit {
    /// Every limit.
    pub const ALL: [Self; 5] = [
        Self::ConcurrentCalls,
        Self::ConcurrentCallsPerCaller,
        Self::RatePerCaller,
        Self::Deadline,
        Self::MessageSize,
    ];

    /// The reason in `ErrorInfo`; part of the contract.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::ConcurrentCalls => "TOO_MANY_CONCURRENT_CALLS",
            Self::ConcurrentCallsPerCaller => "TOO_MANY_CONCURRENT_CALLS_OF_CALLER",
            Self::RatePerCaller => "RATE_OF_CALLER_EXCEEDED",
            Self::Deadline => "DEADLINE_EXCEEDED",
            Self::MessageSize => "MESSAGE_TOO_LARGE",
        }
    }

    /// The label of its metric.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::ConcurrentCalls => "concurrent_calls",
            Self::ConcurrentCallsPerCaller => "concurrent_calls_per_caller",
            Self::RatePerCaller => "rate_per_caller",
            Self::Deadline => "deadline",
            Self::MessageSize => "message_size",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::ConcurrentCalls => "this replica is busy; try again, or another one",
            Self::ConcurrentCallsPerCaller => "the caller has too many calls at the same time",
            Self::RatePerCaller => "the caller calls too often",
            Self::Deadline => "the call took too long",
            Self::MessageSize => "a message is larger than this server reads",
        }
    }

    fn status(self, retry: Duration) -> Status {
        let mut details = ErrorDetails::new();
        details.set_error_info(self.reason(), refusal::DOMAIN, HashMap::new());
        let code = match self {
            Self::Deadline => Code::DeadlineExceeded,
            _ => Code::ResourceExhausted,
        };
        if !matches!(self, Self::Deadline | Self::MessageSize) {
            details.set_retry_info(Some(retry));
        }
        Status::with_error_details(code, self.message(), details)
    }
}

// === impl Limits ===

impl Limits {
    /// None at all.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Lets `meter` observe them, for as long as its provider lives.
    pub fn measure(&self, meter: &Meter) {
        metrics::measure(meter, self);
    }

    /// How often a limit was met since the start.
    #[must_use]
    pub fn hits(&self, limit: Limit) -> u64 {
        let inner = self.0.as_ref();
        inner.map_or(0, |inner| {
            inner.hits[limit as usize].load(Ordering::Relaxed)
        })
    }

    /// How many calls are running.
    #[must_use]
    pub fn running(&self) -> usize {
        let inner = self.0.as_ref();
        inner.map_or(0, |inner| inner.running.load(Ordering::Relaxed))
    }

    /// A place for a call, `None` where no limit applies.
    fn admit<B>(&self, call: &Request<B>) -> Result<Option<Place>, (Limit, Status)> {
        match &self.0 {
            Some(inner) => match call.uri().path().strip_prefix(HEALTH) {
                None => Inner::admit(inner, call, false).map(Some),
                Some("Watch") => Inner::admit(inner, call, true).map(Some),
                Some(_) => Ok(None),
            },
            None => Ok(None),
        }
    }
}

// === impl Inner ===

impl Inner {
    fn admit<B>(
        this: &Arc<Self>,
        call: &Request<B>,
        is_watch: bool,
    ) -> Result<Place, (Limit, Status)> {
        let most = this.config.max_concurrent_calls;
        // It is given back by its drop, also when a limit refuses the call.
        let running = Running {
            inner: this.clone(),
            is_watch,
        };
        let before = running.count().fetch_add(1, Ordering::Relaxed);
        if most > 0 && before >= most {
            let limit = Limit::ConcurrentCalls;
            return Err((limit, this.hit(limit, SOON)));
        }
        let usage = if is_watch {
            this.callers.admit_watch(call)
        } else {
            this.callers.admit(call)
        };
        match usage {
            Ok(usage) => Ok(Place {
                running,
                _usage: usage,
            }),
            Err((limit, retry)) => Err((limit, this.hit(limit, retry))),
        }
    }

    fn hit(&self, limit: Limit, retry: Duration) -> Status {
        self.hits[limit as usize].fetch_add(1, Ordering::Relaxed);
        limit.status(retry)
    }

    /// How long the method of this path may take.
    fn longest(&self, path: &str) -> Option<Duration> {
        if self.streams.contains(path) {
            self.config.max_stream_deadline
        } else {
            self.config.max_deadline
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits")
            .field("running", &self.running)
            .field("hits", &self.hits)
            .finish_non_exhaustive()
    }
}

// === impl Running ===

impl Running {
    fn count(&self) -> &AtomicUsize {
        if self.is_watch {
            &self.inner.watches
        } else {
            &self.inner.running
        }
    }

    /// How long the call may take; watches of health last as long as their clients want.
    fn longest(&self, path: &str) -> Option<Duration> {
        let longest = self.inner.longest(path);
        longest.filter(|_| !self.is_watch)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.count().fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
