//! The developer's commands: `cargo demo` and `cargo xtask …`.

mod certs;
mod check;
mod cli;
mod demo;
mod e2e;
mod interrupt;
mod replica;

use std::process::ExitCode;

use clap::Parser as _;

use self::cli::{Cli, Command};

fn main() -> ExitCode {
    match Cli::parse_from(cli::without_separator(std::env::args_os())).command {
        Command::Certs(options) => certs::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Demo(options) => demo::run(&options),
        Command::E2e(options) => e2e::run(&options),
        Command::Replica(arguments) => replica::run(arguments),
    }
}
