//! What was read and sent so far, shared by the stream that sends and whoever shows it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Lines, Malformed, ReadError, Row};

/// How many malformed rows are kept for the summary, as many as the server keeps of those it refused;
/// each is shown when it is met, and all are counted.
const MAX_MALFORMED: usize = 1_000;

/// What was read and sent so far. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    entries: Arc<Mutex<Entries>>,
}

#[derive(Debug, Default)]
struct Entries {
    lines: Lines,
    malformed: Vec<Malformed>,
    totals: Totals,
    /// What kept the input from being read to its end.
    failure: Option<ReadError>,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Rows handed to the connection.
    pub sent: u64,
    /// Rows that were not sent because they are malformed.
    pub malformed: u64,
    /// Bytes of the input that were taken.
    pub offset: u64,
}

// === impl Ledger ===

impl Ledger {
    /// Notes a row that is being sent.
    pub fn sent(&self, row: &Row) {
        let mut entries = self.entries();
        entries.lines.push(row.line);
        entries.totals.sent += 1;
        entries.totals.offset = row.offset;
    }

    /// Notes a row that is not.
    pub fn malformed(&self, malformed: Malformed) {
        let mut entries = self.entries();
        entries.totals.malformed += 1;
        entries.totals.offset = malformed.offset;
        if entries.malformed.len() < MAX_MALFORMED {
            entries.malformed.push(malformed);
        }
    }

    /// Notes that nothing more can be read.
    pub fn failed(&self, error: ReadError) {
        self.entries().failure = Some(error);
    }

    /// How far the import is.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.entries().totals
    }

    /// The line of the row that the server knows by this index.
    #[must_use]
    pub fn line_of(&self, index: i64) -> Option<u64> {
        self.entries().lines.of(u64::try_from(index).ok()?)
    }

    /// The malformed rows, the first 1,000 of them.
    #[must_use]
    pub fn take_malformed(&self) -> Vec<Malformed> {
        std::mem::take(&mut self.entries().malformed)
    }

    /// What kept the input from being read to its end, once.
    #[must_use]
    pub fn take_failure(&self) -> Option<ReadError> {
        self.entries().failure.take()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // No code panics while it holds the lock.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
