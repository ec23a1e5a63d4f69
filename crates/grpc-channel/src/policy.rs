//! Which replica gets a call: the choice, as an operator makes it.

use std::time::Duration;

/// A load-balancing policy.
///
/// The names are gRPC's; in a service config they are written as `round_robin`, `pick_first`,
/// `least_request_experimental` (gRFC A48) and `weighted_round_robin`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// Every ready replica in turn. After any number of calls to a stable set the counts differ by
    /// one at most.
    #[default]
    RoundRobin,
    /// All calls on one connection: the first address that can be connected to, tried as
    /// [RFC 8305](https://www.rfc-editor.org/rfc/rfc8305) says (gRFC A61). For a mesh or a cluster
    /// IP, where somebody else balances.
    PickFirst {
        /// Whether to try the addresses in random order (gRFC A62), so that many clients do not all
        /// choose the same one.
        shuffle: bool,
    },
    /// The replica with the fewest calls in flight among some chosen at random (gRFC A48). For calls
    /// that differ much in cost.
    LeastRequest {
        /// How many are compared: 2 to 10.
        choice_count: u32,
    },
    /// In turn, but in proportion to the weights that the resolver gives.
    WeightedRoundRobin,
}

/// When a replica that answers badly is left out for a while (gRFC [A50]).
///
/// [A50]: https://github.com/grpc/proposal/blob/master/A50-xds-outlier-detection.md
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OutlierDetection {
    /// How often the replicas are judged. Default: 10 s.
    pub interval: Duration,
    /// How long the first ejection lasts; the n-th lasts n times as long. Default: 30 s.
    pub base_ejection_time: Duration,
    /// The longest ejection. Default: 300 s, or the base if that is longer.
    pub max_ejection_time: Duration,
    /// How many percent of the replicas may be ejected at the same time. Default: 10.
    pub max_ejection_percent: u32,
    /// Ejects a replica whose success rate is far below the others'. Default: off.
    pub success_rate: Option<SuccessRate>,
    /// Ejects a replica that fails more than a share of its calls. Default: off.
    pub failure_percentage: Option<FailurePercentage>,
}

/// See [`OutlierDetection::success_rate`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SuccessRate {
    /// How many thousandths of a standard deviation below the mean are too far. Default: 1900.
    pub stdev_factor: u32,
    /// How likely an outlier is really ejected, in percent. Default: 100.
    pub enforcement_percentage: u32,
    /// How many replicas must have enough calls. Default: 5.
    pub minimum_hosts: u32,
    /// How many calls in one interval are enough. Default: 100.
    pub request_volume: u32,
}

/// See [`OutlierDetection::failure_percentage`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailurePercentage {
    /// How many percent of failures are too many. Default: 85.
    pub threshold: u32,
    /// How likely an outlier is really ejected, in percent. Default: 100.
    pub enforcement_percentage: u32,
    /// How many replicas must have enough calls. Default: 5.
    pub minimum_hosts: u32,
    /// How many calls in one interval are enough. Default: 50.
    pub request_volume: u32,
}

// === impl OutlierDetection ===

impl Default for OutlierDetection {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(30),
            max_ejection_time: Duration::from_mins(5),
            max_ejection_percent: 10,
            success_rate: None,
            failure_percentage: None,
        }
    }
}

// === impl SuccessRate ===

impl Default for SuccessRate {
    fn default() -> Self {
        Self {
            stdev_factor: 1_900,
            enforcement_percentage: 100,
            minimum_hosts: 5,
            request_volume: 100,
        }
    }
}

// === impl FailurePercentage ===

impl Default for FailurePercentage {
    fn default() -> Self {
        Self {
            threshold: 85,
            enforcement_percentage: 100,
            minimum_hosts: 5,
            request_volume: 50,
        }
    }
}
