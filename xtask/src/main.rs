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

use self::cli::Cli;

fn main() -> ExitCode {
    Cli::parse_from(cli::without_separator(std::env::args_os()))
        .command
        .run()
}
