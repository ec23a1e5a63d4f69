//! What is looked up for each call, by itself: the policy, and the channel's next replica.

use std::collections::BTreeMap;
use std::hint::black_box;

use arc_swap::ArcSwap;
use service_runtime::auth::policy::{Decision, Policy};
use service_runtime::auth::{Caller, Principal};

use self::round_robin::RoundRobin;
use crate::CALLS;
use crate::parts::{PATH, POLICY};

/// What the round robin counts with.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicUsize, Ordering};
}

// As it is: the channel shows it to nobody, and should not for this.
#[path = "../../../crates/grpc-channel/src/picker/round_robin.rs"]
mod round_robin;

/// A policy, and a caller to whom it permits the call.
pub struct Policies {
    policy: Policy,
    caller: Caller,
}

/// Three replicas in turn, in a slot as the channel's.
pub struct Picks(ArcSwap<RoundRobin<usize>>);

// === impl Policies ===

impl Policies {
    pub fn new() -> Self {
        let claims = [
            ("aud", "records"),
            ("iss", "bench"),
            ("scope", "read"),
            ("sub", "load-0000"),
        ];
        let claims = claims.map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
        Self {
            policy: Policy::parse(POLICY).expect("it is a policy"),
            caller: Caller::from(Principal::Jwt {
                subject: "load-0000".to_owned(),
                claims: BTreeMap::from(claims),
            }),
        }
    }

    pub fn decide_all(&self) {
        for _ in 0..CALLS {
            let decision = self.policy.decide(black_box(&self.caller), black_box(PATH));
            assert_eq!(decision, Decision::Permitted);
        }
    }
}

// === impl Picks ===

impl Picks {
    pub fn new() -> Self {
        let replicas = RoundRobin::new([0, 1, 2], 0).expect("there are three");
        Self(ArcSwap::from_pointee(replicas))
    }

    pub fn pick_all(&self) {
        for _ in 0..CALLS {
            black_box(*self.0.load().pick());
        }
    }
}
