//! Outlier detection (gRFC [A50]) as a pure sweep over counters: the clock and the dice come in as
//! arguments.
//!
//! A replica can be connected, answer pings, and still fail every call. Only its calls tell, and
//! only beside those of the others: when all fail alike, ejecting some would help nobody.
//!
//! [A50]: https://github.com/grpc/proposal/blob/master/A50-xds-outlier-detection.md

use tokio::time::Instant;

use crate::policy::{FailurePercentage, OutlierDetection, SuccessRate};

/// What is known of one replica from sweep to sweep.
#[derive(Clone, Debug, Default)]
pub(crate) struct Host {
    ejected: Option<Instant>,
    /// How often it was ejected lately; makes the next ejection longer.
    multiplier: u32,
    /// The totals at the last sweep.
    seen: Volume,
    /// What has happened since.
    volume: Volume,
}

/// How many calls ended, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Volume {
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
}

/// A replica that a sweep found to be an outlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "otel"),
    allow(dead_code, reason = "only the metrics tell of it")
)]
pub(crate) struct Ejection {
    pub(crate) method: DetectionMethod,
    /// Why it was not ejected all the same, if it was not.
    pub(crate) unenforced: Option<Unenforced>,
}

/// What found an outlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DetectionMethod {
    SuccessRate,
    FailurePercentage,
}

/// Why an outlier was not ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unenforced {
    /// The dice let it go.
    EnforcementPercentage,
    /// As many are ejected as may be.
    MaxEjectionOverflow,
}

// === impl Host ===

impl Host {
    pub(crate) fn is_ejected(&self) -> bool {
        self.ejected.is_some()
    }

    /// Takes the totals of the replica's whole life; the next sweep judges what is new in them.
    pub(crate) fn count(&mut self, total: Volume) {
        self.volume = Volume {
            succeeded: total.succeeded.saturating_sub(self.seen.succeeded),
            failed: total.failed.saturating_sub(self.seen.failed),
        };
        self.seen = total;
    }

    /// Forgets its ejections, as when the detection is switched off.
    pub(crate) fn pardon(&mut self) {
        self.ejected = None;
        self.multiplier = 0;
    }

    fn eject(&mut self, now: Instant) {
        self.ejected = Some(now);
        self.multiplier = self.multiplier.saturating_add(1);
    }

    /// Brings it back when its time is over; a replica that behaves is ejected for less next time.
    fn review(&mut self, config: &OutlierDetection, now: Instant) {
        match self.ejected {
            None => self.multiplier = self.multiplier.saturating_sub(1),
            Some(since) => {
                let longest = config.max_ejection_time.max(config.base_ejection_time);
                let time = config.base_ejection_time.saturating_mul(self.multiplier);
                if now.saturating_duration_since(since) >= time.min(longest) {
                    self.ejected = None;
                }
            }
        }
    }
}

// === impl Volume ===

impl Volume {
    fn total(self) -> u64 {
        self.succeeded + self.failed
    }

    /// The share of successes, of at least one call.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a ratio of counters needs no more than 52 bits"
    )]
    fn success_rate(self) -> f64 {
        self.succeeded as f64 / self.total() as f64
    }

    /// Whether there were as many calls as asked for, and at least one to judge by.
    fn is_enough(self, request_volume: u32) -> bool {
        self.total() >= u64::from(request_volume.max(1))
    }
}

// === impl DetectionMethod ===

#[cfg(feature = "otel")]
impl DetectionMethod {
    /// Its name in gRFC A91.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SuccessRate => "success_rate",
            Self::FailurePercentage => "failure_percentage",
        }
    }
}

// === impl Unenforced ===

#[cfg(feature = "otel")]
impl Unenforced {
    /// Its name in gRFC A91.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::EnforcementPercentage => "enforcement_percentage",
            Self::MaxEjectionOverflow => "max_ejection_overflow",
        }
    }
}

/// Judges all replicas of a channel and tells of those that it found to be outliers; `dice` gives an
/// even choice of 0 to 99.
///
/// As A50 says, a replica is ejected as long as fewer than `max_ejection_percent` percent are, so
/// that even with few replicas one can be.
pub(crate) fn sweep(
    config: &OutlierDetection,
    hosts: &mut [&mut Host],
    now: Instant,
    mut dice: impl FnMut() -> u32,
) -> Vec<Ejection> {
    let mut found = Vec::new();
    if let Some(success_rate) = &config.success_rate {
        let judged = by_success_rate(config, success_rate, hosts, now, &mut dice);
        found.extend(judged);
    }
    if let Some(failures) = &config.failure_percentage {
        let judged = by_failure_percentage(config, failures, hosts, now, &mut dice);
        found.extend(judged);
    }
    for host in hosts {
        host.review(config, now);
    }
    found
}

fn by_success_rate(
    config: &OutlierDetection,
    algorithm: &SuccessRate,
    hosts: &mut [&mut Host],
    now: Instant,
    dice: &mut impl FnMut() -> u32,
) -> Vec<Ejection> {
    let rates = rates(hosts, algorithm.request_volume);
    if rates.is_empty() || rates.len() < algorithm.minimum_hosts as usize {
        return Vec::new();
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "there are fewer replicas than 2^52"
    )]
    let count = rates.len() as f64;
    let mean = rates.iter().sum::<f64>() / count;
    let variance = rates.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / count;
    let least = mean - variance.sqrt() * f64::from(algorithm.stdev_factor) / 1_000.0;
    let outlier = |volume: Volume| {
        volume.is_enough(algorithm.request_volume) && volume.success_rate() < least
    };
    let enforced = || dice() < algorithm.enforcement_percentage;
    let method = DetectionMethod::SuccessRate;
    eject(config, method, hosts, now, outlier, enforced)
}

fn by_failure_percentage(
    config: &OutlierDetection,
    algorithm: &FailurePercentage,
    hosts: &mut [&mut Host],
    now: Instant,
    dice: &mut impl FnMut() -> u32,
) -> Vec<Ejection> {
    let rates = rates(hosts, algorithm.request_volume);
    if rates.len() < algorithm.minimum_hosts as usize {
        return Vec::new();
    }
    let outlier = |volume: Volume| {
        volume.is_enough(algorithm.request_volume)
            && volume.failed * 100 > u64::from(algorithm.threshold) * volume.total()
    };
    let enforced = || dice() < algorithm.enforcement_percentage;
    let method = DetectionMethod::FailurePercentage;
    eject(config, method, hosts, now, outlier, enforced)
}

/// The success rates of those with enough calls.
fn rates(hosts: &[&mut Host], request_volume: u32) -> Vec<f64> {
    let volumes = hosts.iter().map(|host| host.volume);
    let enough = volumes.filter(|volume| volume.is_enough(request_volume));
    enough.map(Volume::success_rate).collect()
}

fn eject(
    config: &OutlierDetection,
    method: DetectionMethod,
    hosts: &mut [&mut Host],
    now: Instant,
    outlier: impl Fn(Volume) -> bool,
    mut enforced: impl FnMut() -> bool,
) -> Vec<Ejection> {
    let count = hosts.len();
    let most = config.max_ejection_percent as usize;
    let mut ejected = hosts.iter().filter(|host| host.is_ejected()).count();
    let mut found = Vec::new();
    for host in hosts {
        if host.is_ejected() || !outlier(host.volume) {
            continue;
        }
        let unenforced = if ejected * 100 >= most * count {
            Some(Unenforced::MaxEjectionOverflow)
        } else if enforced() {
            host.eject(now);
            ejected += 1;
            None
        } else {
            Some(Unenforced::EnforcementPercentage)
        };
        found.push(Ejection { method, unenforced });
    }
    found
}

#[cfg(test)]
mod tests;
