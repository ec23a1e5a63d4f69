//! What a check has found: where, what, and what to do about it.
//!
//! A finding is for a reader who did not write the check; it must be possible to act on it without
//! opening the check's code.

use super::object::Object;

/// One thing that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Where: an object and a path within it, or a file and a line.
    pub(crate) place: String,
    /// What is there, and what was expected.
    pub(crate) problem: String,
    /// What to do.
    pub(crate) cure: String,
    /// In which renders it was found; empty for a finding that is about no render.
    pub(crate) renders: Vec<String>,
}

/// What came of looking: how much there was to look at, and what did not hold.
///
/// Without the number, a check whose subject has been renamed would pass for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Examination {
    /// How many things were looked at.
    pub(crate) subjects: usize,
    /// What did not hold.
    pub(crate) findings: Vec<Finding>,
}

// === impl Finding ===

impl Finding {
    /// A finding about a file.
    pub(crate) fn in_file(
        place: impl Into<String>,
        problem: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self {
            place: place.into(),
            problem: problem.into(),
            cure: cure.into(),
            renders: Vec::new(),
        }
    }

    /// The same findings of several renders as one, which names them all.
    pub(crate) fn merge(mut findings: Vec<Self>) -> Vec<Self> {
        findings.sort();
        let mut merged: Vec<Self> = Vec::new();
        for finding in findings {
            match merged.last_mut() {
                Some(last)
                    if (&last.place, &last.problem, &last.cure)
                        == (&finding.place, &finding.problem, &finding.cure) =>
                {
                    last.renders.extend(finding.renders);
                    last.renders.dedup();
                }
                _ => merged.push(finding),
            }
        }
        merged
    }
}

// === impl Examination ===

impl Examination {
    /// Counts one thing that is looked at.
    pub(crate) fn subject(&mut self) {
        self.subjects += 1;
    }

    /// Notes what does not hold at `pointer` (RFC 6901) of an object.
    pub(crate) fn report(
        &mut self,
        object: &Object,
        pointer: &str,
        problem: impl Into<String>,
        cure: impl Into<String>,
    ) {
        let place = if pointer.is_empty() {
            object.to_string()
        } else {
            let path = pointer.trim_start_matches('/').replace('/', ".");
            format!("{object}, {}", path.replace("~1", "/").replace("~0", "~"))
        };
        self.findings.push(Finding::in_file(place, problem, cure));
    }

    /// Counts a thing, and notes it unless `holds`.
    pub(crate) fn expect(
        &mut self,
        holds: bool,
        object: &Object,
        pointer: &str,
        problem: impl FnOnce() -> String,
        cure: &str,
    ) {
        self.subject();
        if !holds {
            self.report(object, pointer, problem(), cure);
        }
    }

    /// Adds what another look has brought.
    pub(crate) fn add(&mut self, other: Self) {
        self.subjects += other.subjects;
        self.findings.extend(other.findings);
    }

    /// The same, found in this render.
    pub(crate) fn within(mut self, render: &str) -> Self {
        for finding in &mut self.findings {
            finding.renders = vec![render.to_owned()];
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_finding_of_two_renders_names_both() {
        let found = |render: &str| Finding {
            renders: vec![render.to_owned()],
            ..Finding::in_file("here", "is wrong", "mend it")
        };
        let merged = Finding::merge(vec![found("mtls"), found("plain"), found("mtls")]);
        assert_eq!(merged.len(), 1);
        assert_eq!(merged[0].renders, ["mtls", "plain"]);
    }
}
