//! The developer's commands: `cargo demo` and `cargo xtask …`.

mod certs;
mod check;
mod cli;
mod demo;
mod e2e;
mod interrupt;
mod replica;
// template:only
mod template;
// template:end

use std::process::ExitCode;

use clap::Parser as _;

use self::cli::{Cli, Command};

/// Bad usage (`EX_USAGE` of sysexits.h).
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let cli = match Cli::try_parse_from(cli::without_separator(std::env::args_os())) {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody is left to tell when this cannot be printed.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match cli.command {
        Command::Certs(options) => certs::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Demo(options) => demo::run(&options),
        Command::E2e(options) => e2e::run(&options),
        Command::Replica(arguments) => replica::run(arguments),
        // template:only
        Command::Template(options) => template::run(&options),
        // template:end
    }
}
