//! The ready replicas under a policy.

use super::Candidate;
use super::least_request::LeastRequest;
use super::round_robin::RoundRobin;
use super::weighted::Weighted;
use crate::policy::Policy;

/// Chooses among the replicas that take calls. There is at least one.
#[derive(Debug)]
pub(crate) enum Rotation {
    First(Candidate),
    RoundRobin(RoundRobin<Candidate>),
    LeastRequest(LeastRequest<Candidate>),
    Weighted(Weighted<Candidate>),
}

// === impl Rotation ===

impl Rotation {
    /// Begins at a random place, so that many clients that start together do not all meet at the
    /// first replica. `None` when there is no candidate.
    pub(crate) fn new(policy: &Policy, candidates: Vec<Candidate>) -> Option<Self> {
        match policy {
            Policy::PickFirst { .. } => candidates.into_iter().next().map(Self::First),
            Policy::RoundRobin => {
                RoundRobin::new(candidates, fastrand::usize(..)).map(Self::RoundRobin)
            }
            Policy::LeastRequest { choice_count } => {
                LeastRequest::new(candidates, *choice_count).map(Self::LeastRequest)
            }
            Policy::WeightedRoundRobin => {
                let weighted = candidates.into_iter().map(|candidate| {
                    let weight = candidate.weight;
                    (candidate, weight)
                });
                Weighted::new(weighted, fastrand::u32(..)).map(Self::Weighted)
            }
        }
    }

    /// Takes no lock and allocates nothing.
    pub(crate) fn pick(&self) -> &Candidate {
        match self {
            Self::First(candidate) => candidate,
            Self::RoundRobin(round_robin) => round_robin.pick(),
            Self::LeastRequest(least_request) => {
                least_request.pick(|below| fastrand::usize(..below))
            }
            Self::Weighted(weighted) => weighted.pick(),
        }
    }
}
