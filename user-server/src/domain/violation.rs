//! What is wrong with a request, field by field, all of it at once.

use std::fmt;

/// One field that is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field in the request, such as `user.email`.
    pub field: String,
    /// What was expected.
    pub description: String,
}

/// Everything that is wrong with a request; never empty as an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Violations {
    found: Vec<Violation>,
}

// === impl Violations ===

impl Violations {
    /// A single violation.
    pub fn one(field: impl Into<String>, description: impl Into<String>) -> Self {
        let mut violations = Self::default();
        violations.add(field, description);
        violations
    }

    /// Adds a violation.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.found.push(Violation {
            field: field.into(),
            description: description.into(),
        });
    }

    /// The value, or `None` after its violation was added.
    pub fn check<T>(&mut self, field: &str, result: Result<T, impl fmt::Display>) -> Option<T> {
        result
            .map_err(|expected| self.add(field, expected.to_string()))
            .ok()
    }

    /// Takes over the violations of a part, whose paths begin below `field`.
    pub fn nest<T>(&mut self, field: &str, result: Result<T, Self>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(inner) => {
                for violation in inner.found {
                    self.add(
                        format!("{field}.{}", violation.field),
                        violation.description,
                    );
                }
                None
            }
        }
    }

    /// What was found, in the order of the fields.
    #[must_use]
    pub fn found(&self) -> &[Violation] {
        &self.found
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Violation { field, description }) in self.found.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{field}: {description}")?;
        }
        Ok(())
    }
}
