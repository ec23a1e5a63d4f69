//! What happens to every call, unary or streaming, in one fixed order, from the outside inwards:
//!
//! 1. [`request_id`]: the call gets its `x-request-id`, so that everything inside can name it;
//! 2. [`identity`]: the response names the replica (`x-served-by`) and its version (`x-version`),
//!    also when what is inside failed;
//! 3. [`access_log`]: one line for every finished call; it sees what the caller sees;
//! 4. [`catch_panic`]: a handler's panic becomes INTERNAL, before the log, so that it is logged too;
//! 5. [`crate::auth::layer`]: only callers that may call the method come further;
//! 6. [`crate::limits::layer`]: no more of them than there is room for, and no longer than they may;
//! 7. the routes.
//!
//! Every future and every body is a named type: nothing is boxed on the way of a call.

pub mod access_log;
pub mod catch_panic;
pub mod identity;
pub mod refused;
pub mod request_id;

use self::access_log::AccessLog;
use self::catch_panic::CatchPanic;
use self::identity::{Identified, Identity};
use self::request_id::RequestId;
use crate::auth::Guard;
use crate::auth::layer::Guarded;
use crate::limits::Limits;
use crate::limits::layer::Limited;

/// The routes in all layers.
pub type Layered<S> = RequestId<Identified<AccessLog<CatchPanic<Guarded<Limited<S>>>>>>;

/// Puts the layers round the routes, in the order of the module's documentation, and lets everybody
/// in, without limits.
pub fn around<S>(routes: S, identity: Identity) -> Layered<S> {
    guarded(routes, identity, Guard::open(), Limits::off())
}

/// The same with a guard and limits.
pub fn guarded<S>(routes: S, identity: Identity, guard: Guard, limits: Limits) -> Layered<S> {
    let inner = Guarded::new(Limited::new(routes, limits), guard);
    RequestId::new(Identified::new(
        AccessLog::new(CatchPanic::new(inner)),
        identity,
    ))
}
