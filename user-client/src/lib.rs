//! The command line of `user.v1.UserService`: one sub-command per RPC, and a load generator.
//!
//! The way of a command: [`cli`] parses it, [`settings`] merges its flags with the environment, the
//! file and the defaults, [`connect`] opens the balancing channel, one file of [`commands`] makes the
//! call, [`output`] writes the answer, and [`error`] turns a failure into a message and an exit code.
//!
//! | module | what it holds |
//! |---|---|
//! | [`cli`] | the arguments and their `--help` |
//! | [`settings`] | what can be set, its defaults, and the layers |
//! | [`connect`] | from settings to a channel |
//! | [`credentials`] | what every call proves its caller by |
//! | [`compression`] | how messages are compressed |
//! | [`commands`] | one file per sub-command |
//! | [`doctor`] | why calls do not get through, or do not spread |
//! | [`load`] | the load engine, which the demo drives too |
//! | [`import`] | rows from a file, as one stream with bounded memory |
//! | [`lookup`] | many look-ups as a pipeline |
//! | [`watch`] | following the changes across lost streams and runs |
//! | [`ops`] | plain HTTP for probes and Prometheus, while a command lasts |
//! | [`output`] | the resource as text and as JSON |
//! | [`sidecar`] | whether a mesh balances as well |
//! | [`status`] | a failed call with its `google.rpc` details |
//! | [`fault`] | trouble on purpose, by the replicas' ops listeners |
//! | [`error`] | what can go wrong, and the exit codes |

pub mod cli;
pub mod commands;
pub mod compression;
pub mod connect;
pub mod credentials;
pub mod doctor;
pub mod error;
pub mod fault;
mod hint;
pub mod import;
pub mod load;
pub mod lookup;
pub mod ops;
pub mod output;
pub mod settings;
pub mod sidecar;
pub mod status;
pub mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use self::cli::Cli;
use self::error::Reported;

/// Runs the program: parses `args` (the first is the program's name), does what they say, and returns
/// the code to exit with (see [`error`]). Results go to standard output, all else to standard error.
///
/// Needs a tokio runtime with its I/O and time drivers.
pub async fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    service_runtime::tls::install_provider();
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return error::usage(&error),
    };
    let format = cli.settings.output.unwrap_or_default();
    match commands::run(cli).await {
        Ok(code) => code,
        Err(error) => Reported::new(&error, format).print(),
    }
}
