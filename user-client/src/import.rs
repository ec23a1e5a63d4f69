//! Reading rows from a file and sending them as one stream, with bounded memory.
//!
//! A thread reads and parses (files are read by blocking calls), a short channel carries the rows to
//! the call, and the call takes them as fast as the server does: back-pressure reaches from the
//! server's database to this process's reads, and a file of any length needs the memory of a few
//! rows. What is wrong with a row does not stop the others, whether it is seen here or there:
//!
//! - [`Row`] and [`Malformed`]: a line of the input as the resource, or what is wrong with it;
//! - [`csv`] and [`ndjson`]: the two formats, as iterators over any reader;
//! - [`Source`]: a file or standard input, read on a thread;
//! - [`Lines`] (pure): which line of the input the server's n-th row was;
//! - [`Ledger`]: what was read and sent so far, which [`Progress`] shows.

pub mod csv;
mod ledger;
mod lines;
pub mod ndjson;
mod progress;
mod row;
mod source;

pub use self::ledger::{Ledger, Totals};
pub use self::lines::Lines;
pub use self::progress::Progress;
pub use self::row::{Line, Malformed, ReadError, Reason, Row};
pub use self::source::{Format, OpenError, Rows, Source};

/// The longest row that is read, in bytes: longer than any valid one, and what keeps a quote that is
/// never closed from reading the whole file into memory.
pub const MAX_ROW: usize = 64 * 1024;
