//! Structured logs on standard error, and who may change how much is in them while the process runs.
//! This is the only module that sets a process-wide default.

mod filter;
mod forward;
mod signals;

use std::fmt;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_sdk::logs::SdkLoggerProvider;
use serde::{Deserialize, Serialize};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer as _, Registry, reload};

pub use self::filter::{Filter, FilterError};
use self::forward::Forward;

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

/// The logs of this process, which have been started. Clones change the same ones.
#[derive(Clone)]
pub struct Logs(Arc<Inner>);

struct Inner {
    handle: reload::Handle<EnvFilter, Registry>,
    /// What the settings said.
    settings: Filter,
    in_force: Mutex<Filter>,
    forward: Forward,
}

/// The logs could not be set up: something else in this process has done it before.
#[derive(Debug, thiserror::Error)]
#[error("the logs of this process are set up already")]
pub struct InitError {
    #[from]
    source: TryInitError,
}

/// The filter is still what it was.
#[derive(Debug, thiserror::Error)]
#[error("the logs of this process take no other filter")]
pub struct ChangeError {
    #[from]
    source: reload::Error,
}

/// Starts the logs of this process.
///
/// # Errors
/// When they have been started before.
pub fn init(config: &Config) -> Result<Logs, InitError> {
    let is_terminal = std::io::stderr().is_terminal();
    let json = match config.format {
        Format::Auto => !is_terminal,
        Format::Json => true,
        Format::Text => false,
    };
    let (filter, handle) = reload::Layer::new(config.filter.directives());
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if json {
        let lines = lines.json().flatten_event(true).with_current_span(false);
        lines.boxed()
    } else {
        lines.with_ansi(is_terminal).boxed()
    };
    let forward = Forward::default();
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(forward.clone())
        .try_init()?;
    Ok(Logs(Arc::new(Inner {
        handle,
        settings: config.filter.clone(),
        in_force: Mutex::new(config.filter.clone()),
        forward,
    })))
}

// === impl Logs ===

impl Logs {
    /// The filter in force.
    #[must_use]
    pub fn filter(&self) -> Filter {
        let filter = &self.0.in_force;
        filter
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The filter of the settings.
    #[must_use]
    pub fn settings(&self) -> &Filter {
        &self.0.settings
    }

    /// Puts another filter in force, until the next change or the end of the process.
    ///
    /// # Errors
    /// When a thread panicked while it changed the filter.
    pub fn change(&self, filter: Filter) -> Result<(), ChangeError> {
        let in_force = &self.0.in_force;
        let mut in_force = in_force.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the change, which may be that such lines are not shown.
        tracing::info!(from = %in_force, to = %filter, "the filter of the logs changes");
        self.0.handle.reload(filter.directives())?;
        *in_force = filter;
        Ok(())
    }

    /// Hands what is logged from now on to this provider as well; `false` when it goes to another one
    /// already, as where two servers share a process.
    pub(crate) fn forward(&self, provider: &SdkLoggerProvider) -> bool {
        self.0.forward.to(provider)
    }
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filter = self.filter();
        f.debug_struct("Logs")
            .field("filter", &filter)
            .finish_non_exhaustive()
    }
}
