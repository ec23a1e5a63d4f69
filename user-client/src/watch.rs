//! Following the changes of the service for as long as it takes, whatever becomes of one stream.
//!
//! A stream of changes ends with every rollout, because each replica drains in turn; what must go on
//! is the sequence of changes, with none missed and none seen twice. The server's resume tokens make
//! that possible, and this module uses them:
//!
//! - [`Cursor`] (pure): where to go on, moved by every event;
//! - [`retry`] (pure): which failures are worth another try, and when;
//! - [`StateFile`]: the resume token on disk, so that the next run continues;
//! - [`follow()`]: the loop around them.

mod cursor;
mod follow;
pub mod retry;
mod state;

pub use self::cursor::{Advance, Cursor, Origin, TokenMissing};
pub use self::follow::{Failure, Observer, Patience, follow};
pub use self::state::{StateError, StateFile};
