//! Structured logs on standard error. This is the only module that sets a process-wide default.

use std::fmt;
use std::io::IsTerminal as _;
use std::str::FromStr;

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// How logs are written, and which.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The form of a line.
    pub format: Format,
    /// Which events are written.
    pub filter: Filter,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// One JSON object a line, for collectors.
    Json,
    /// For people.
    Text,
}

/// Filter directives as [`EnvFilter`] reads them: `info`, or `info,access=debug`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Filter(String);

/// The text is no list of filter directives.
#[derive(Debug, thiserror::Error)]
#[error("expected filter directives, such as \"info\" or \"info,access=debug\"")]
pub struct FilterError {
    #[from]
    source: tracing_subscriber::filter::ParseError,
}

/// The logs could not be set up: something else in this process has done it before.
#[derive(Debug, thiserror::Error)]
#[error("the logs of this process are set up already")]
pub struct InitError {
    #[from]
    source: TryInitError,
}

/// Starts the logs of this process.
///
/// # Errors
/// When they have been started before.
pub fn init(config: &Config) -> Result<(), InitError> {
    let json = match config.format {
        Format::Auto => !std::io::stderr().is_terminal(),
        Format::Json => true,
        Format::Text => false,
    };
    let builder = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(EnvFilter::new(&config.filter.0));
    if json {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .finish()
            .try_init()?;
    } else {
        builder
            .with_ansi(std::io::stderr().is_terminal())
            .finish()
            .try_init()?;
    }
    Ok(())
}

// === impl Filter ===

impl Default for Filter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        EnvFilter::builder().parse(text)?;
        Ok(Self(text.to_owned()))
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
        text.parse().map_err(|_| {
            D::Error::invalid_value(
                Unexpected::Str(&text),
                &"filter directives, such as \"info\" or \"info,access=debug\"",
            )
        })
    }
}
