//! What happens to every call, unary or streaming, in one fixed order, from the outside inwards:
//!
//! 1. [`request_id`]: the call gets its `x-request-id`, so that everything inside can name it;
//! 2. [`identity`]: the response names the replica (`x-served-by`) and its version (`x-version`),
//!    also when what is inside failed;
//! 3. [`observe`]: one line of the [`access_log`], one measurement of the [`metrics`] and one of the
//!    [`spans`] for every finished call; it sees what the caller sees, and what is inside runs in the
//!    call's trace;
//! 4. [`catch_panic`]: a handler's panic becomes INTERNAL, before the log, so that it is logged too;
//! 5. [`crate::auth::layer`]: only callers that may call the method come further;
//! 6. [`caller`]: the log learns who they are, also when they leave before the response;
//! 7. [`crate::limits::layer`]: no more of them than there is room for, and no longer than they may;
//! 8. [`crate::faults::layer`]: what operators want to go wrong does, in the place of the handler, so
//!    that all of the above treats it as if it were the handler's;
//! 9. the routes.
//!
//! Every future and every body is a named type: nothing is boxed on the way of a call.

pub mod access_log;
pub mod caller;
pub mod catch_panic;
pub mod identity;
pub mod metrics;
pub mod observe;
pub mod refused;
pub mod request_id;
pub mod spans;

use self::caller::Introduced;
use self::catch_panic::CatchPanic;
use self::identity::{Identified, Identity};
use self::metrics::Calls;
use self::observe::Observed;
use self::request_id::RequestId;
use self::spans::Spans;
use crate::auth::Guard;
use crate::auth::layer::Guarded;
use crate::faults::Faults;
use crate::faults::layer::Faulted;
use crate::limits::Limits;
use crate::limits::layer::Limited;

/// The routes in all layers.
pub type Layered<S> =
    RequestId<Identified<Observed<CatchPanic<Guarded<Introduced<Limited<Faulted<S>>>>>>>>;

/// What the layers are made with. Clones share all of it.
#[derive(Clone, Debug)]
pub struct Layers {
    /// Who answers.
    pub identity: Identity,
    /// Who may call.
    pub guard: Guard,
    /// How much they may.
    pub limits: Limits,
    /// What goes wrong on purpose.
    pub faults: Faults,
    /// What is measured of the calls; `None` measures nothing.
    pub calls: Option<Calls>,
    /// What makes spans of them; `None` makes none, and hands no trace on.
    pub spans: Option<Spans>,
}

/// Puts the layers round the routes, in the order of the module's documentation, and lets everybody
/// in, without limits.
pub fn around<S>(routes: S, identity: Identity) -> Layered<S> {
    guarded(routes, identity, Guard::open(), Limits::off())
}

/// The same with a guard and limits.
pub fn guarded<S>(routes: S, identity: Identity, guard: Guard, limits: Limits) -> Layered<S> {
    let (faults, calls, spans) = (Faults::off(), None, None);
    let layers = Layers {
        identity,
        guard,
        limits,
        faults,
        calls,
        spans,
    };
    layers.around(routes)
}

// === impl Layers ===

impl Layers {
    /// Puts the layers round the routes, in the order of the module's documentation.
    pub fn around<S>(self, routes: S) -> Layered<S> {
        let faulted = Faulted::new(routes, self.faults);
        let limited = Limited::new(faulted, self.limits);
        let inner = Guarded::new(Introduced::new(limited), self.guard);
        let observed = Observed::new(CatchPanic::new(inner), self.calls, self.spans);
        RequestId::new(Identified::new(observed, self.identity))
    }
}
