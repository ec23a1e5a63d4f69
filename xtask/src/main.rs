//! The developer's commands: `cargo demo` and `cargo xtask …`.

mod bench;
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

/// Bad usage (`EX_USAGE` of sysexits.h).
const USAGE: u8 = 64;

fn main() -> ExitCode {
    match Cli::try_parse_from(cli::without_separator(std::env::args_os())) {
        Ok(cli) => cli.command.run(),
        Err(error) => {
            // Nobody is left to tell when this cannot be printed.
            let _ = error.print();
            let code = if error.use_stderr() { USAGE } else { 0 };
            ExitCode::from(code)
        }
    }
}
