//! The process: parse the arguments, load the settings, serve, and say by the exit code how it went.

use std::process::ExitCode;

fn main() -> ExitCode {
    user_server::run(std::env::args_os())
}
