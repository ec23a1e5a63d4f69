//! Which of several targets is used, as a pure state machine: gRPC's priority policy (gRFC [A56]).
//!
//! A target that was given up stays so until it is READY, although it is tried all the time: between
//! its attempts it is CONNECTING again and again, and calls that wait for each of these would only
//! learn what is known already. It is what gRFC A62 asks of a single target.
//!
//! [A56]: https://github.com/grpc/proposal/blob/master/A56-priority-lb-policy.md

#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;

use crate::connectivity::State;

/// When a target is given up, and when it is let go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// How long a target has to become READY; A56's failover timer.
    pub(crate) timeout: Duration,
    /// How long a target is kept that is not needed any more.
    pub(crate) retention: Duration,
}

/// Where the targets stand, the one of the highest priority first.
#[derive(Debug)]
pub(super) struct Priorities {
    config: Config,
    levels: Vec<Standing>,
}

/// Where one target stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It does not run.
    Off,
    /// It runs, and calls may wait for it.
    Hoped {
        /// When it is given up, if it is still CONNECTING.
        until: Option<Instant>,
        expires: Option<Instant>,
    },
    /// It runs, and failed.
    GivenUp { expires: Option<Instant> },
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// The target that calls go to, or wait for; `None` when all have failed.
    pub(super) used: Option<usize>,
    /// Whether that one does not run and is to be started.
    pub(super) starts: bool,
    /// Those that are to be shut down.
    pub(super) stopped: Vec<usize>,
}

// === impl Config ===

impl Default for Config {
    /// The default of A56, and the retention of C-core, Java and Go, which is the same in all three.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            retention: Duration::from_mins(15),
        }
    }
}

// === impl Priorities ===

impl Priorities {
    /// The first target was just started; the others do not run.
    pub(super) fn new(config: Config, targets: usize, now: Instant) -> Self {
        let mut levels = vec![Standing::Off; targets];
        if let Some(first) = levels.first_mut() {
            *first = Standing::started(&config, now);
        }
        Self { config, levels }
    }

    /// Notes the state of a target that runs. It may be told again and again.
    pub(super) fn report(&mut self, target: usize, state: State, now: Instant) {
        let Some(standing) = self.levels.get_mut(target) else {
            return;
        };
        let expires = standing.expires();
        *standing = match (*standing, state) {
            (Standing::Off, _) => Standing::Off,
            (_, State::Ready | State::Idle) => Standing::Hoped {
                until: None,
                expires,
            },
            (Standing::Hoped { until, .. }, State::Connecting) => Standing::Hoped {
                until: until.or_else(|| now.checked_add(self.config.timeout)),
                expires,
            },
            (Standing::GivenUp { .. }, State::Connecting)
            | (_, State::TransientFailure | State::Shutdown) => Standing::GivenUp { expires },
        };
    }

    /// Decides. A target that is to be started counts as CONNECTING from now on.
    pub(super) fn choose(&mut self, now: Instant) -> Choice {
        for standing in &mut self.levels {
            if let Standing::Hoped {
                until: Some(until),
                expires,
            } = *standing
                && until <= now
            {
                *standing = Standing::GivenUp { expires };
            }
        }
        let failed = |standing: &Standing| matches!(standing, Standing::GivenUp { .. });
        let used = self.levels.iter().position(|standing| !failed(standing));
        let starts = used.is_some_and(|used| self.levels[used] == Standing::Off);
        if let Some(used) = used.filter(|_| starts) {
            self.levels[used] = Standing::started(&self.config, now);
        }
        Choice {
            used,
            starts,
            stopped: self.expire(used, now),
        }
    }

    /// Lets those go that are below the used target and have not been needed for long.
    fn expire(&mut self, used: Option<usize>, now: Instant) -> Vec<usize> {
        let below = used.map_or(self.levels.len(), |used| used + 1);
        let (needed, lower) = self.levels.split_at_mut(below);
        for standing in needed.iter_mut() {
            standing.set_expiry(None);
        }
        let settled = matches!(needed.last(), Some(Standing::Hoped { until: None, .. }));
        let mut stopped = Vec::new();
        for (standing, place) in lower.iter_mut().zip(below..) {
            match standing.expires() {
                Some(expires) if expires <= now => {
                    *standing = Standing::Off;
                    stopped.push(place);
                }
                // While the used target is only hoped for, those below may be needed at once.
                None if settled => standing.set_expiry(now.checked_add(self.config.retention)),
                _ => {}
            }
        }
        stopped
    }

    /// When to choose again, if nothing happens before.
    pub(super) fn due(&self) -> Option<Instant> {
        let times = self.levels.iter().flat_map(|standing| match *standing {
            Standing::Off => [None, None],
            Standing::Hoped { until, expires } => [until, expires],
            Standing::GivenUp { expires } => [None, expires],
        });
        times.flatten().min()
    }
}

// === impl Standing ===

impl Standing {
    fn started(config: &Config, now: Instant) -> Self {
        Self::Hoped {
            until: now.checked_add(config.timeout),
            expires: None,
        }
    }

    /// When it is shut down, unless it is needed before.
    fn expires(self) -> Option<Instant> {
        match self {
            Self::Off => None,
            Self::Hoped { expires, .. } | Self::GivenUp { expires } => expires,
        }
    }

    fn set_expiry(&mut self, at: Option<Instant>) {
        match self {
            Self::Off => {}
            Self::Hoped { expires, .. } | Self::GivenUp { expires } => *expires = at,
        }
    }
}
