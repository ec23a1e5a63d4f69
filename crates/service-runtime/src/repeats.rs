//! Which of many lines of the log that say the same are worth an operator's time: the first one, and one
//! of each interval after it. Whoever can make the log grow could fill a disk, and hide what matters.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Counts lines by what they say, which is one of a small set.
#[derive(Debug)]
pub(crate) struct Repeats {
    interval: Duration,
    lines: Mutex<HashMap<&'static str, Line>>,
}

#[derive(Debug)]
struct Line {
    written: Instant,
    suppressed: u64,
}

// === impl Repeats ===

impl Repeats {
    /// One line of each kind in an interval.
    pub(crate) fn every(interval: Duration) -> Self {
        Self {
            interval,
            lines: Mutex::default(),
        }
    }

    /// Whether a line is to be written, and how many of its kind were not since the last one.
    pub(crate) fn permit(&self, kind: &'static str, now: Instant) -> Option<u64> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(line) = lines.get_mut(kind) else {
            let first = Line {
                written: now,
                suppressed: 0,
            };
            lines.insert(kind, first);
            return Some(0);
        };
        if now.saturating_duration_since(line.written) < self.interval {
            line.suppressed += 1;
            return None;
        }
        let suppressed = line.suppressed;
        *line = Line {
            written: now,
            suppressed: 0,
        };
        Some(suppressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_of_a_kind_in_an_interval_says_how_many_there_were() {
        let repeats = Repeats::every(Duration::from_secs(10));
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        assert_eq!(repeats.permit("expired", at(0)), Some(0));
        assert_eq!(repeats.permit("expired", at(1)), None);
        assert_eq!(repeats.permit("expired", at(9)), None);
        assert_eq!(repeats.permit("no_alpn", at(9)), Some(0), "another kind");
        assert_eq!(repeats.permit("expired", at(10)), Some(2));
        assert_eq!(repeats.permit("expired", at(19)), None);
        assert_eq!(repeats.permit("expired", at(30)), Some(1));
    }
}
