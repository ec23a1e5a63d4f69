//! How a check went.

use super::finding::{Examination, Finding};

/// How a check went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All that was looked at holds; what and how much it was.
    Held(String),
    /// Something does not hold.
    Broken(Vec<Finding>),
    /// It was not made; why not, and how it could be.
    Skipped(String),
}

// === impl Outcome ===

impl Outcome {
    /// What came of looking. Where there was nothing to look at, nothing was checked.
    pub(crate) fn of(examination: Examination, things: &str) -> Self {
        let Examination { subjects, findings } = examination;
        if !findings.is_empty() {
            Self::Broken(Finding::merge(findings))
        } else if subjects == 0 {
            Self::Skipped("there is nothing that it is about".to_owned())
        } else {
            Self::Held(format!("{subjects} {things}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_looked_at_nothing_has_not_passed() {
        let outcome = Outcome::of(Examination::default(), "things");
        assert!(matches!(outcome, Outcome::Skipped(_)), "{outcome:?}");
    }
}
