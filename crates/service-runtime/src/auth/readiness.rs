//! What `/readyz` says about the callers' credentials: whether the keys of tokens are there.
//!
//! A replica that was never able to fetch the keys of its issuer wants no calls, so that a rollout
//! which cannot reach the issuer stops at its first pod. One that had them once stays ready whatever
//! becomes of the issuer: with the keys that it has it serves better than not at all.

use super::jwt::published::{Published, Status};
use super::{Authenticator, Guard};
use crate::readiness::{Check, Probe, Readiness};

/// The name of the check.
const CHECK: &str = "token keys";

/// The name of the detail.
const DETAIL: &str = "issuer's keys";

/// Whether the keys were there once.
struct Fetched(Published);

/// There are no keys yet.
#[derive(Debug, thiserror::Error)]
#[error("no token can be verified: the keys are {0}")]
struct NoKeys(Status);

// === impl Guard ===

impl Guard {
    /// What a replica has to have before it wants calls.
    #[must_use]
    pub fn checks(&self) -> Vec<Box<dyn Check>> {
        let published = self.published();
        let checks = published.map(|it| Box::new(Fetched(it)) as Box<dyn Check>);
        checks.collect()
    }

    /// Shows beside the checks how it is with what has to be fetched.
    pub fn show(&self, readiness: &Readiness) {
        for keys in self.published() {
            readiness.show(DETAIL, move || keys.status().to_string());
        }
    }

    fn published(&self) -> impl Iterator<Item = Published> {
        let authenticators = self.0.iter().flat_map(|inner| &inner.authenticators);
        authenticators.filter_map(|authenticator| match authenticator {
            Authenticator::Jwt(jwt) => jwt.published(),
            Authenticator::Mtls | Authenticator::Basic(_) => None,
        })
    }
}

// === impl Fetched ===

impl Check for Fetched {
    fn name(&self) -> &'static str {
        CHECK
    }

    fn probe(&self) -> Probe<'_> {
        let status = self.0.status();
        Box::pin(async move {
            if status.usable {
                return Ok(());
            }
            Err(NoKeys(status).into())
        })
    }
}
