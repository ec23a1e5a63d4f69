//! What became of an import, as text and as `ProtoJSON`.

use std::fmt::Write as _;

use indicatif::HumanCount;
use serde::Serialize;
use user_api::v1::ImportUsersResponse;

use super::printable;
use crate::import::{Ledger, Malformed};

/// The `ImportUsersResponse` in its `ProtoJSON` form, where 64-bit numbers are strings; and what only
/// this side knows: the lines, and the rows that were malformed and not sent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary<'a> {
    #[serde(skip)]
    input: &'a str,
    #[serde(serialize_with = "as_string")]
    received_count: i64,
    #[serde(serialize_with = "as_string")]
    created_count: i64,
    #[serde(serialize_with = "as_string")]
    refused_count: i64,
    errors: Vec<Refused<'a>>,
    malformed_count: u64,
    malformed: Vec<Unsent>,
}

#[derive(Debug, Serialize)]
struct Refused<'a> {
    #[serde(serialize_with = "as_string")]
    index: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    reason: &'a str,
    message: &'a str,
}

#[derive(Debug, Serialize)]
struct Unsent {
    line: u64,
    message: String,
}

// === impl Summary ===

impl<'a> Summary<'a> {
    /// What the server says, and what the ledger knows; `input` names where the rows came from.
    #[must_use]
    pub fn new(input: &'a str, response: &'a ImportUsersResponse, ledger: &Ledger) -> Self {
        let refused = response.errors.iter().map(|error| Refused {
            index: error.index,
            line: ledger.line_of(error.index),
            reason: &error.reason,
            message: &error.message,
        });
        let malformed = ledger.take_malformed().into_iter().map(|row| Unsent {
            line: row.line,
            message: row.to_string(),
        });
        Self {
            input,
            received_count: response.received_count,
            created_count: response.created_count,
            refused_count: response.refused_count,
            errors: refused.collect(),
            malformed_count: ledger.totals().malformed,
            malformed: malformed.collect(),
        }
    }

    /// Whether every row of the input was created.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.refused_count == 0 && self.malformed_count == 0
    }

    /// The counts, then a line per refused row by its line in the input and its index in the stream.
    ///
    /// Malformed rows are counted only: they were shown when they were met. Ends without a line break.
    #[must_use]
    pub fn text(&self) -> String {
        let count = |count: i64| HumanCount(u64::try_from(count).unwrap_or_default());
        let mut text = format!(
            "{} received, {} created, {} refused, {} malformed and not sent",
            count(self.received_count),
            count(self.created_count),
            count(self.refused_count),
            HumanCount(self.malformed_count),
        );
        for row in &self.errors {
            let line = row
                .line
                .map_or_else(|| "?".to_owned(), |line| line.to_string());
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\n{}:{line}: row {} of the stream: {}: {}",
                self.input,
                row.index,
                printable(row.reason),
                printable(row.message),
            );
        }
        let listed = i64::try_from(self.errors.len()).unwrap_or(i64::MAX);
        if self.refused_count > listed {
            let _ = write!(
                text,
                "\nand {} more that the service does not list",
                count(self.refused_count - listed)
            );
        }
        text
    }
}

/// A malformed row as one line: `people.csv:17: age: expected …`.
#[must_use]
pub fn malformed(input: &str, row: &Malformed) -> String {
    format!("{input}:{}: {}", row.line, printable(&row.to_string()))
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference over"
)]
fn as_string<S: serde::Serializer>(number: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}
