//! What a `Config`'s own check found: rules that one value's type cannot hold, such as one duration
//! that must be shorter than another.

/// Collects violations while a settings tree checks itself, section by section.
#[derive(Debug, Default)]
pub struct Violations {
    section: String,
    pub(super) found: Vec<(String, String)>,
}

// === impl Violations ===

impl Violations {
    /// Runs `check` inside of a section, so that the names it reports are below it.
    pub fn section(&mut self, name: &str, check: impl FnOnce(&mut Self)) {
        let outer = self.section.len();
        self.section.push_str(name);
        self.section.push('.');
        check(self);
        self.section.truncate(outer);
    }

    /// Reports that the value of `name` is not acceptable; `expected` completes "expected …".
    pub fn expect(&mut self, holds: bool, name: &str, expected: &str) {
        if !holds {
            self.found.push((
                format!("{}{name}", self.section),
                format!("expected {expected}"),
            ));
        }
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}
