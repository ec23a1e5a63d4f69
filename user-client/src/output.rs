//! How results are written: text for people, JSON for machines.
//!
//! JSON follows the [ProtoJSON] names and forms, so that a script reads the same from this client as
//! from `grpcurl`; every message is one line. Text never carries control characters that came from a
//! server.
//!
//! [ProtoJSON]: https://protobuf.dev/programming-guides/json/

mod answer;
mod batch;
mod change;
mod resolved;
mod resource;
mod row;
mod summary;

use std::borrow::Cow;
use std::io::Write as _;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

pub use self::answer::{Answer, answer_header};
pub use self::batch::Batch;
pub use self::change::{change, change_header};
pub use self::resolved::Resolved;
pub(crate) use self::resolved::addresses;
pub use self::resource::{Page, Resource};
pub use self::summary::{Summary, malformed};
use crate::error::Error;

/// In which form results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: a table, or one field per line.
    #[default]
    #[value(alias = "table")]
    Text,
    /// For machines: one JSON object per line.
    Json,
}

/// Writes a result to standard output: `text` for people, or the document as one line of JSON.
pub(crate) fn print<D: Serialize>(
    format: Format,
    document: &D,
    text: impl FnOnce(&D) -> String,
) -> Result<(), Error> {
    let line = match format {
        Format::Text => text(document),
        Format::Json => serde_json::to_string(document)
            .map_err(std::io::Error::from)
            .map_err(Error::Output)?,
    };
    let mut stdout = anstream::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(Error::Output)
}

/// The text with its control characters escaped: what a server sends must not move the cursor of
/// whoever reads it.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    // Bidirectional overrides and isolates reorder what follows them on the same line.
    let is_unsafe =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unsafe(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// A duration as people write it, such as `1.5s`.
#[must_use]
pub(crate) fn duration(duration: Duration) -> String {
    format!("{duration:?}")
}
