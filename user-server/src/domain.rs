//! What a user is, and which requests make sense: types that are valid once they exist.
//!
//! Nothing here knows protobuf, SQL, a network, a clock or a random number: ids and times come in.
//! Validation reports every violation at once, by the path of the field.

mod batch;
mod change;
mod fields;
mod lookup;
mod page;
mod resume;
mod update;
mod user;
mod violation;

pub use self::batch::Ids;
pub use self::change::{Change, ChangeKind, Position};
pub use self::fields::{Age, DisplayName, Email};
pub use self::lookup::{Key, Tag};
pub use self::page::{DisplayNamePrefix, Page, PageSize, PageToken, Query};
pub use self::resume::{ResumeToken, ResumeTokenError};
pub use self::update::{Update, UpdateDraft};
pub use self::user::{Draft, Etag, NewUser, RequestId, User, UserId};
pub use self::violation::{Violation, Violations};
