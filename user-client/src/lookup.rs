//! Looking many keys up as a pipeline: bounded in flight, answers as they come.
//!
//! The stream runs in both directions at once, so that neither waits for the other: one task asks, as
//! long as fewer than the bound are unanswered; the caller's own reads the answers. What connects
//! them is [`InFlight`], which knows the key behind each tag, and what to ask for again when a stream
//! is lost.

mod ask;
mod in_flight;
mod key;

pub use self::ask::{Keys, ask};
pub use self::in_flight::{InFlight, Question};
pub use self::key::{By, Key};
