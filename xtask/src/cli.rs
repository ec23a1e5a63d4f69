//! The arguments of the developer's commands.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::demo::Options;
use crate::{bench, certs, check, demo, e2e, replica};

/// The developer's commands.
#[derive(Debug, Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure the server and the channel beside those of others.
    Bench(bench::Options),
    /// Make a certificate authority and certificates for development.
    Certs(certs::Options),
    /// Check the manifests and the structure of the code, without a cluster.
    Check(check::Options),
    /// Show how calls spread over replicas, and what happens when one is lost.
    Demo(Options),
    /// Prove on a real cluster what the manifests promise.
    #[command(name = "e2e")]
    E2e(e2e::Options),
    /// One replica of the demo, started by it.
    #[command(hide = true)]
    Replica(ReplicaArguments),
    // template:only
    /// Make services out of this repository, and hold each to what it is held to itself.
    Template(crate::template::Options),
    // template:end
}

/// What is handed on to the server.
#[derive(Args, Debug)]
pub(crate) struct ReplicaArguments {
    /// The server's own arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) server: Vec<OsString>,
}

// === impl Command ===

impl Command {
    /// Does what was asked for.
    pub(crate) fn run(self) -> ExitCode {
        match self {
            Self::Bench(options) => bench::run(&options),
            Self::Certs(options) => certs::run(&options),
            Self::Check(options) => check::run(&options),
            Self::Demo(options) => demo::run(&options),
            Self::E2e(options) => e2e::run(&options),
            Self::Replica(arguments) => replica::run(arguments),
            // template:only
            Self::Template(options) => crate::template::run(&options),
            // template:end
        }
    }
}

/// Drops the `--` of `cargo demo -- --calls 100`.
///
/// The alias already ends in `-- demo`, so cargo hands a second `--` on; everybody types it, because
/// `cargo run` needs one.
pub(crate) fn without_separator(
    args: impl IntoIterator<Item = OsString>,
) -> impl Iterator<Item = OsString> {
    let mut is_demo = false;
    args.into_iter()
        .enumerate()
        .filter_map(move |(index, arg)| {
            is_demo |= index == 1 && arg == "demo";
            (!(is_demo && index == 2 && arg == "--")).then_some(arg)
        })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_separator_after_demo_is_dropped_and_only_there() {
        for (typed, kept) in [
            (
                &["xtask", "demo", "--", "--calls", "9"][..],
                &["xtask", "demo", "--calls", "9"][..],
            ),
            (
                &["xtask", "demo", "--calls", "9"],
                &["xtask", "demo", "--calls", "9"],
            ),
            (
                &["xtask", "replica", "--", "--x"],
                &["xtask", "replica", "--", "--x"],
            ),
        ] {
            let typed = typed.iter().map(OsString::from);
            assert_eq!(without_separator(typed).collect::<Vec<_>>(), kept);
        }
    }
}
