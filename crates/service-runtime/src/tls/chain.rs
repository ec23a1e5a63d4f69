//! An error and its causes as one text, for where only one line is shown: JSON logs keep an error's own
//! message only, and `/readyz` has no place for more.

use std::error::Error;

/// The messages from the error to its last cause.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
