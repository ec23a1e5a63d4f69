//! Which resources changed a moment ago, so that an answer that was read before a change is not cached
//! after it.
//!
//! A reader notes what the feed has [`seen`](Recent::seen), reads from the database, and then asks
//! whether its answer [`is_newest`](Recent::is_newest). A change that it missed was either recorded since
//! then, and is found here; or it is still to come, and will replace what was cached.

use std::collections::{HashMap, VecDeque};

use crate::domain::{Position, UserId};

/// How many changes are remembered: those of the time that a read may take. When there were more, the
/// answer is not cached.
const CAPACITY: usize = 4096;

/// The last changes.
#[derive(Debug)]
pub(super) struct Recent {
    order: VecDeque<(Position, UserId)>,
    latest: HashMap<UserId, Position>,
    /// Changes up to this position may have been forgotten.
    floor: Position,
    seen: Position,
}

// === impl Recent ===

impl Recent {
    pub(super) fn new() -> Self {
        Self {
            order: VecDeque::new(),
            latest: HashMap::new(),
            floor: Position::START,
            seen: Position::START,
        }
    }

    /// What a reader notes before it reads.
    pub(super) fn seen(&self) -> Position {
        self.seen
    }

    /// Forgets everything up to this position.
    pub(super) fn begin(&mut self, head: Position) {
        self.order.clear();
        self.latest.clear();
        self.floor = self.floor.max(head);
        self.seen = self.seen.max(head);
    }

    /// Everything up to this position was recorded.
    pub(super) fn advance(&mut self, position: Position) {
        self.seen = self.seen.max(position);
    }

    /// Records a change. Those of this process may come before their turn, and once more in it.
    pub(super) fn record(&mut self, id: UserId, position: Position) {
        let latest = self.latest.entry(id).or_insert(position);
        *latest = position.max(*latest);
        self.order.push_back((position, id));
        if self.order.len() > CAPACITY
            && let Some((position, id)) = self.order.pop_front()
        {
            self.floor = self.floor.max(position);
            if self.latest.get(&id).is_some_and(|it| *it <= position) {
                self.latest.remove(&id);
            }
        }
    }

    /// Whether nothing newer than `position` is known of this one, and everything that happened after
    /// `seen` is remembered.
    pub(super) fn is_newest(&self, seen: Position, id: UserId, position: Position) -> bool {
        self.floor <= seen
            && self
                .latest
                .get(&id)
                .is_none_or(|latest| *latest <= position)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> UserId {
        UserId::new(Uuid::from_u128(number))
    }

    #[test]
    fn an_answer_from_before_a_change_is_not_the_newest() {
        let mut recent = Recent::new();
        recent.begin(Position::new(7));
        let seen = recent.seen();
        assert!(recent.is_newest(seen, id(1), Position::new(3)));
        recent.record(id(1), Position::new(8));
        assert!(
            !recent.is_newest(seen, id(1), Position::new(3)),
            "read before the change"
        );
        assert!(
            recent.is_newest(seen, id(1), Position::new(8)),
            "read after it"
        );
        assert!(
            recent.is_newest(seen, id(2), Position::new(3)),
            "another one"
        );
    }

    #[test]
    fn an_answer_that_took_longer_than_is_remembered_is_not_the_newest() {
        let mut recent = Recent::new();
        let seen = recent.seen();
        let last = u64::try_from(CAPACITY).unwrap() + 1;
        for number in 1..=last {
            recent.record(id(u128::from(number)), Position::new(number));
        }
        assert!(!recent.is_newest(seen, id(0), Position::START));
        recent.advance(Position::new(last));
        assert!(recent.is_newest(recent.seen(), id(0), Position::START));
        assert!(recent.order.len() <= CAPACITY && recent.latest.len() <= CAPACITY);
    }

    #[test]
    fn a_change_that_is_told_twice_is_remembered_by_its_newest_position() {
        let mut recent = Recent::new();
        for position in [5, 4, 5] {
            recent.record(id(1), Position::new(position));
        }
        assert!(!recent.is_newest(recent.seen(), id(1), Position::new(4)));
    }

    #[test]
    fn a_new_beginning_distrusts_what_was_being_read() {
        let mut recent = Recent::new();
        let seen = recent.seen();
        recent.begin(Position::new(100));
        assert!(!recent.is_newest(seen, id(1), Position::new(50)));
        assert!(recent.is_newest(recent.seen(), id(1), Position::new(50)));
    }
}
