//! Which events are logged, as settings and operators write it.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// What a filter has to be.
const EXPECTED: &str = "filter directives, such as \"info\" or \"info,access=debug\"";

/// Filter directives as [`EnvFilter`] reads them, separated by commas: a level for everything (`info`),
/// and levels for targets (`access=debug`). Levels are `off`, `error`, `warn`, `info`, `debug`, `trace`.
///
/// `EnvFilter` takes a word that is no level for a target of which everything is wanted, and nothing else;
/// here it is refused, because a level that was misspelt would silence all others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Filter(String);

/// The text is no list of filter directives.
#[derive(Debug, thiserror::Error)]
#[error("expected {EXPECTED}")]
pub struct FilterError(#[source] Problem);

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("there is no directive")]
    Empty,
    #[error("{0:?} is no level; a target's is TARGET=LEVEL")]
    Word(String),
    #[error("a directive cannot be read")]
    Directive(#[source] ParseError),
}

/// Whether it is a level, or says itself what it is for.
fn is_clear(directive: &str) -> bool {
    directive.contains(['=', '[']) || directive.parse::<LevelFilter>().is_ok()
}

// === impl Filter ===

impl Filter {
    /// The same, and DEBUG of these targets; a filter that shows everything stays as it is.
    #[must_use]
    pub fn with_debug(&self, targets: &[&str]) -> Self {
        if self.0.split(',').any(|directive| directive == "trace") {
            return self.clone();
        }
        let directives = targets.iter().map(|target| format!(",{target}=debug"));
        Self(std::iter::once(self.0.clone()).chain(directives).collect())
    }

    pub(super) fn directives(&self) -> EnvFilter {
        // It was read before, so that nothing in it can be left out now.
        EnvFilter::new(&self.0)
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let mut directives = text.split(',').map(str::trim).filter(|it| !it.is_empty());
        if let Some(word) = directives.clone().find(|it| !is_clear(it)) {
            return Err(FilterError(Problem::Word(word.to_owned())));
        }
        let first = directives.next().ok_or(FilterError(Problem::Empty))?;
        let text = directives.fold(first.to_owned(), |text, it| text + "," + it);
        EnvFilter::builder()
            .parse(&text)
            .map_err(|error| FilterError(Problem::Directive(error)))?;
        Ok(Self(text))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|_| D::Error::invalid_value(Unexpected::Str(&text), &EXPECTED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Chain;

    #[test]
    fn levels_and_levels_of_targets_are_a_filter() {
        for (text, read) in [
            ("info", "info"),
            ("WARN", "WARN"),
            (" info, access=debug\n", "info,access=debug"),
            ("off,store[call{id=1}]=trace", "off,store[call{id=1}]=trace"),
        ] {
            assert_eq!(text.parse::<Filter>().unwrap().to_string(), read);
        }
    }

    #[test]
    fn what_would_silence_everything_else_by_mistake_is_refused() {
        for (text, why) in [
            ("inof", "\"inof\" is no level; a target's is TARGET=LEVEL"),
            ("info,access", "\"access\" is no level"),
            ("", "there is no directive"),
            (" , ", "there is no directive"),
            ("access=loud", "a directive cannot be read"),
        ] {
            let error = text.parse::<Filter>().unwrap_err();
            let chain = Chain(&error).to_string();
            assert!(chain.starts_with("expected filter directives"), "{chain}");
            assert!(chain.contains(why), "{chain}");
        }
    }

    #[test]
    fn more_is_shown_of_the_targets_and_never_less() {
        let more = |text: &str| {
            let filter: Filter = text.parse().unwrap();
            filter.with_debug(&["access", "subject"]).to_string()
        };
        assert_eq!(more("info"), "info,access=debug,subject=debug");
        assert_eq!(more("trace"), "trace");
    }
}
