//! The arguments. Every named flag is a short form of `--set key=value`, and one layer of the settings
//! with it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Parser, Subcommand};
use service_runtime::settings::{Flag, Loader};

/// The server of user.v1.UserService.
#[derive(Debug, Parser)]
#[command(
    name = "user-server",
    version,
    after_help = "\
Settings come from four layers, each overriding the ones before it: built-in defaults, a TOML file \
(--config, or USER_SERVER_CONFIG), the environment (USER_SERVER__SERVER__ADDRESS sets \
server.address), and flags. `config print` shows the result, and where each value came from.

Examples:
  user-server                                             # in memory, gRPC on 50051, ops on 9090
  user-server --store-url sqlite://data.sqlite            # in a file, created when missing
  user-server --store-url postgres://app:secret@db/app    # what replicas share
  user-server --address 127.0.0.1:50051 --set drain.notice=0s
  user-server --set server.tls.mode=mtls --set server.tls.client_ca=certs/ca.crt \\
    --set server.tls.certificate=certs/server.crt --set server.tls.private_key=certs/server.key
  USER_SERVER__LOG__FILTER=info,access=debug user-server  # a log line for every call
  user-server config print
  user-server config check server.toml

  grpcurl -plaintext localhost:50051 list

Signals: the first SIGTERM or SIGINT drains (NOT_SERVING, then GOAWAY, then the calls in flight \
finish); a second one stops at once. SIGHUP reads the files of server.tls and of auth again, \
which also happens when they change; without such files it does nothing. SIGUSR1 logs more, \
SIGUSR2 what the settings say, as `/log-level` on the ops port can.

Exit codes: 0 stopped cleanly, 64 bad usage or settings, 1 any other failure."
)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Option<Command>,

    /// A TOML file with settings
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Sets one setting; may be given several times
    #[arg(
        long,
        global = true,
        value_name = "KEY=VALUE",
        value_parser = OsStringValueParser::new().try_map(key_and_value)
    )]
    set: Vec<(String, OsString)>,

    /// Where to serve gRPC [setting: server.address]
    #[arg(long, global = true, value_name = "IP:PORT")]
    address: Option<OsString>,

    /// Where to answer probes over plain HTTP [setting: ops.address]
    #[arg(long, global = true, value_name = "IP:PORT")]
    ops_address: Option<OsString>,

    /// The database [setting: store.url]
    #[arg(long, global = true, value_name = "URL")]
    store_url: Option<OsString>,

    /// Which events to log [setting: log.filter]
    #[arg(long, global = true, value_name = "DIRECTIVES")]
    log_filter: Option<OsString>,

    /// Stop when standard input ends, so that this process never outlives the one that started it
    #[arg(long, global = true)]
    pub(super) exit_with_stdin: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serves until it is asked to stop (what happens without a command)
    Serve,
    /// Shows or checks settings
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Prints the effective settings as TOML, each with the layer it came from; secrets are masked
    Print,
    /// Checks a settings file without this process's environment and flags, and the files that it
    /// names: certificates, the policy, passwords, keys
    Check {
        /// The TOML file
        file: PathBuf,
        /// Leave out the files that it names, such as those that only a pod has
        #[arg(long)]
        without_files: bool,
    },
}

/// The argument of `--set` has no key.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("expected KEY=VALUE, such as server.address=127.0.0.1:50051")]
struct NoKey;

fn key_and_value(argument: OsString) -> Result<(String, OsString), NoKey> {
    let argument = argument.into_string().map_err(|_| NoKey)?;
    match argument.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.into())),
        _ => Err(NoKey),
    }
}

// === impl Args ===

impl Args {
    /// Adds the file and the flags to the layers. Named flags come after `--set`, being more
    /// deliberate.
    pub(super) fn apply(&self, mut loader: Loader) -> Loader {
        if let Some(file) = &self.config {
            loader = loader.file(file);
        }
        for (key, value) in &self.set {
            loader = loader.flag(Flag {
                name: format!("--set {key}"),
                key: key.clone(),
                value: value.clone(),
            });
        }
        for (name, key, value) in [
            ("--address", "server.address", &self.address),
            ("--ops-address", "ops.address", &self.ops_address),
            ("--store-url", "store.url", &self.store_url),
            ("--log-filter", "log.filter", &self.log_filter),
        ] {
            if let Some(value) = value {
                loader = loader.flag(Flag {
                    name: name.to_owned(),
                    key: key.to_owned(),
                    value: value.clone(),
                });
            }
        }
        loader
    }
}
