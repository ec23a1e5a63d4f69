//! An error and its causes as one text: where only one line is shown, an error's own message says too
//! little. JSON logs keep no more than that of an error, and `/readyz` has no place for more.

use std::error::Error;
use std::fmt;
use std::iter;

/// Displays the messages from the error to its last cause, with `: ` between them. In logs:
/// `error = %Chain(&error)`.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a>(pub &'a (dyn Error + 'a));

// === impl Chain ===

impl<'a> Chain<'a> {
    /// The error and its causes, the nearest first.
    pub fn errors(self) -> impl Iterator<Item = &'a (dyn Error + 'a)> {
        iter::successors(Some(self.0), |error| cause(*error))
    }
}

fn cause<'a>(error: &'a (dyn Error + 'a)) -> Option<&'a (dyn Error + 'a)> {
    error
        .source()
        .map(|cause| -> &'a (dyn Error + 'a) { cause })
}

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.errors().enumerate() {
            if number > 0 {
                f.write_str(": ")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the file cannot be read")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn every_cause_is_named_once_and_in_order() {
        let error = Outer(std::io::Error::other("the disk is gone"));
        let text = Chain(&error).to_string();
        assert_eq!(text, "the file cannot be read: the disk is gone");
    }
}
