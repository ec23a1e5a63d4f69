//! What happened to a resource, and where it stands in the one order of all changes.

use super::User;

/// A place in the order of all changes: 0 before the first one, and then without gaps. Whoever has seen
/// a position has seen everything before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was created.
    Added,
    /// It was updated.
    Updated,
    /// It was deleted.
    Deleted,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where it stands.
    pub position: Position,
    /// What happened.
    pub kind: ChangeKind,
    /// The resource after the change; after a deletion, as it was last.
    pub user: User,
}

// === impl Position ===

impl Position {
    /// Before the first change.
    pub const START: Self = Self(0);

    /// The place of the nth change, counted from 1.
    #[must_use]
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }

    /// Whether `self` comes directly after `before`.
    #[must_use]
    pub fn follows(self, before: Self) -> bool {
        before.0.checked_add(1) == Some(self.0)
    }
}
