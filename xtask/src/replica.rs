//! `xtask replica`: this process becomes one server of the demo, so that the demo needs no second
//! program to be built or found.

use std::process::ExitCode;

use crate::cli::ReplicaArguments;

/// Runs the server with its own arguments.
pub(crate) fn run(arguments: ReplicaArguments) -> ExitCode {
    let program = std::iter::once("user-server".into());
    user_server::run(program.chain(arguments.server))
}
