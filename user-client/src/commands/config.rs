//! `config`: what the settings are, and whether a file would be accepted.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::error::Error;
use crate::settings::{self, Overrides};

/// Show the settings, or check a file.
#[derive(Args, Debug)]
pub struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the settings in effect as TOML, each with the layer that it came from.
    Print,
    /// Check that a file would be accepted; exit with 64 when not.
    Check {
        /// The TOML file.
        file: PathBuf,
    },
}

// === impl Config ===

impl Config {
    pub(super) fn run(self, overrides: Overrides) -> Result<ExitCode, Error> {
        let mut stdout = anstream::stdout().lock();
        match self.action {
            Action::Print => {
                let loaded = settings::load(overrides).map_err(Error::Settings)?;
                let toml = loaded.to_toml().map_err(Error::Print)?;
                stdout.write_all(toml.as_bytes())
            }
            Action::Check { file } => {
                let shown = file.display().to_string();
                settings::check(file).map_err(Error::Settings)?;
                writeln!(stdout, "{shown}: ok")
            }
        }
        .and_then(|()| stdout.flush())
        .map_err(Error::Output)?;
        Ok(ExitCode::SUCCESS)
    }
}
