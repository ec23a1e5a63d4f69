//! Which line of the input the server's n-th row was.
//!
//! The server knows rows by their index in the stream; the operator has an editor that knows lines.
//! Empty lines, malformed rows and rows of several lines part the two.

/// How many irregular places are remembered, at 16 bytes each. A regular file has a handful; beyond
/// these the index is known and the line is not.
const MAX_SPANS: usize = 65_536;

/// Maps indexes of sent rows to lines, in memory that does not grow with the number of rows.
#[derive(Debug, Default)]
pub struct Lines {
    /// The first index of each span of rows that follow each other line by line, and its line.
    spans: Vec<(u64, u64)>,
    sent: u64,
    next_line: u64,
    is_full: bool,
}

// === impl Lines ===

impl Lines {
    /// Notes that the next row of the stream was on this line.
    pub fn push(&mut self, line: u64) {
        let is_regular = self.sent > 0 && line == self.next_line;
        if !is_regular && !self.is_full {
            if self.spans.len() == MAX_SPANS {
                // What follows must not be taken for a part of the last span.
                self.is_full = true;
                self.spans.push((self.sent, u64::MAX));
            } else {
                self.spans.push((self.sent, line));
            }
        }
        self.sent += 1;
        self.next_line = line + 1;
    }

    /// The line of the row with this index; `None` when it was not sent, or is not remembered.
    #[must_use]
    pub fn of(&self, index: u64) -> Option<u64> {
        if index >= self.sent {
            return None;
        }
        let after = self.spans.partition_point(|(first, _)| *first <= index);
        let (first, line) = *self.spans.get(after.checked_sub(1)?)?;
        (line != u64::MAX).then(|| line + (index - first))
    }

    /// How many rows were sent.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.sent
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_index_leads_to_its_line(steps in prop::collection::vec(1u64..4, 0..500)) {
            let mut lines = Lines::default();
            let mut line = 0;
            let mut truth = Vec::new();
            for step in steps {
                line += step;
                lines.push(line);
                truth.push(line);
            }
            for (index, line) in (0..).zip(&truth) {
                prop_assert_eq!(lines.of(index), Some(*line));
            }
            prop_assert_eq!(lines.of(lines.sent()), None);
        }
    }

    #[test]
    fn a_regular_file_of_any_length_costs_one_span() {
        let mut lines = Lines::default();
        (2..1_000_002).for_each(|line| lines.push(line));
        assert_eq!(lines.spans.len(), 1);
        assert_eq!(lines.of(999_999), Some(1_000_001));
    }

    #[test]
    fn what_is_not_remembered_is_not_guessed() {
        let mut lines = Lines::default();
        let count = u64::try_from(MAX_SPANS).unwrap() + 10;
        (0..count).for_each(|row| lines.push(2 * row + 2));
        (0..5).for_each(|row| lines.push(2 * count + 1 + row));
        assert_eq!(lines.of(7), Some(16));
        for index in [count - 5, count - 1, count + 3] {
            assert_eq!(lines.of(index), None, "the line of {index} is not known");
        }
        assert!(lines.spans.len() <= MAX_SPANS + 1);
    }
}
