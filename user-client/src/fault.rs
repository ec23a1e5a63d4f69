//! Trouble on purpose: what replicas are asked to do to their calls, by the ops listener of each.
//!
//! It is asked of every replica by itself, because each has its own faults: what a Service with a cluster
//! IP answers would be any one of them.

mod answers;
mod ask;
mod places;

pub use self::answers::{Answer, Answers};
pub use self::ask::{Failure, Order, ask};
pub use self::places::{Place, places};
