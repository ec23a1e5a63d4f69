//! One line of the input: the resource that it describes, or what is wrong with it.

use std::io;

use user_api::v1::User;

/// What one line of the input is.
pub type Line = Result<Row, Malformed>;

/// A row that can be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Where it begins in the input, counted from 1.
    pub line: u64,
    /// How far the input has been read, in bytes.
    pub offset: u64,
    /// The resource to create.
    pub user: User,
}

/// A row that cannot be sent; those after it can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Malformed {
    /// Where it begins in the input, counted from 1.
    pub line: u64,
    /// How far the input has been read, in bytes.
    pub offset: u64,
    /// What is wrong, and what was expected.
    pub reason: Reason,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A field that must be there is empty or missing.
    #[error("{0}: expected a value, found none")]
    Missing(&'static str),
    /// The age is no number.
    #[error("age: expected a whole number or nothing, found {0:?}")]
    Age(String),
    /// A CSV row has too few or too many fields.
    #[error("expected {expected} fields as in the header, found {found}")]
    Fields {
        /// As many as the header has.
        expected: u64,
        /// As many as the row has.
        found: u64,
    },
    /// The bytes are no text.
    #[error("expected UTF-8, found other bytes")]
    Encoding,
    /// The line is no JSON object of the right shape.
    #[error("column {column}: {message}")]
    Json {
        /// Where in the line, counted from 1.
        column: usize,
        /// What the parser says.
        message: String,
    },
    /// The row is too long.
    #[error("expected at most {} bytes in one row", super::MAX_ROW)]
    TooLong,
}

/// The input cannot be read any further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no header.
    #[error(
        "line 1: expected a header that names the columns display_name, email and, if wanted, age; found nothing"
    )]
    NoHeader,
    /// The header lacks a column.
    #[error(
        "line 1: the header lacks the column {0}: expected display_name, email and, if wanted, age"
    )]
    ColumnMissing(&'static str),
    /// The header names a column twice.
    #[error("line 1: the header names the column {0:?} twice")]
    ColumnTwice(String),
    /// The header names a column that there is none of.
    #[error("line 1: the header names the column {0:?}: expected display_name, email, age")]
    ColumnUnknown(String),
    /// A row goes on and on.
    #[error(
        "line {line}: a row of more than {} bytes begins here: is a quote never closed?",
        super::MAX_ROW
    )]
    Endless {
        /// Where the row begins.
        line: u64,
    },
    /// The operating system says so.
    #[error("line {line}: reading failed")]
    Io {
        /// The first line that was not read.
        line: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
}

// === impl Reason ===

impl Reason {
    /// This reason at a place.
    #[must_use]
    pub const fn at(self, line: u64, offset: u64) -> Malformed {
        Malformed {
            line,
            offset,
            reason: self,
        }
    }
}
