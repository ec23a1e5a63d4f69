//! The arguments of the program and their `--help`.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{ArgAction, Args, Parser, Subcommand};
use service_runtime::settings::Flag;

use crate::commands::{
    BatchGet, Completions, Config, Create, Delete, Get, Import, List, Load, Lookup, Man, Update,
    Watch,
};
use crate::output::Format;
use crate::settings::Overrides;

/// Calls user.v1.UserService, spreading the calls over all of its replicas.
#[derive(Debug, Parser)]
#[command(version, styles = STYLES, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// The settings that flags can change.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// The sub-commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Those that call the service.
    #[command(flatten)]
    Call(CallCommand),
    #[expect(missing_docs, reason = "as below: --help shows the type's own comment")]
    Config(Config),
    #[expect(missing_docs, reason = "as below: --help shows the type's own comment")]
    Completions(Completions),
    #[expect(missing_docs, reason = "as below: --help shows the type's own comment")]
    Man(Man),
}

/// The sub-commands that call the service.
#[derive(Debug, Subcommand)]
#[expect(
    missing_docs,
    reason = "a comment here would replace the one that --help shows"
)]
pub enum CallCommand {
    Get(Get),
    BatchGet(BatchGet),
    List(List),
    Create(Create),
    Update(Update),
    Delete(Delete),
    Watch(Watch),
    Import(Import),
    Lookup(Lookup),
    Load(Load),
}

/// Flags that every sub-command takes; they override all other layers of settings.
#[derive(Args, Debug)]
#[command(next_help_heading = "Settings")]
pub struct SettingsArgs {
    /// Where the service is: HOST:PORT, or another form (see `user-client --help`).
    #[arg(long, global = true, value_name = "TARGET")]
    target: Option<String>,
    /// How long one call may take, such as 500ms or 5s.
    #[arg(long, global = true, value_name = "TIME")]
    timeout: Option<String>,
    /// Wait for a replica that is ready, as long as the timeout allows, instead of failing at once.
    #[arg(long, global = true)]
    wait_for_ready: bool,
    /// A TOML file with settings.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Any other setting, by its key in `config print`; may be repeated.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = key_and_value, action = ArgAction::Append)]
    set: Vec<(String, String)>,
    /// In which form results are written [default: text].
    #[arg(long, short, global = true, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
}

/// The text has no `=`.
#[derive(Debug, thiserror::Error)]
#[error("expected KEY=VALUE, such as channel.connect_timeout=5s")]
struct NotAKeyAndValue;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const AFTER_HELP: &str = "\
Targets:
  dns:///HOST:PORT              every address of the name; HOST:PORT is the same
  dns://SERVER:PORT/HOST:PORT   the same, asking this DNS server
  ipv4:ADDRESS:PORT,…           these addresses
In Kubernetes name the headless Service, and end the name with a dot, so that it
costs one query: dns:///user-server-headless.NAMESPACE.svc.cluster.local.:50051

Settings come from these layers, each overriding the ones before it:
  1. the defaults
  2. SERVER_HOST=HOST:PORT, for the target only
  3. a TOML file: --config FILE, or the one that USER_CLIENT_CONFIG names
  4. the environment: USER_CLIENT__TARGET, USER_CLIENT__TIMEOUT,
     USER_CLIENT__CHANNEL__CONNECT_TIMEOUT, …
  5. flags: --target, --timeout, --wait-for-ready, --set KEY=VALUE
`user-client config print` shows each setting and the layer that it came from.

Exit codes:
   0  done                          1  load: a call failed; any other failure
  64  wrong arguments or settings  65  INVALID_ARGUMENT, OUT_OF_RANGE,
  66  NOT_FOUND, also of some          FAILED_PRECONDITION; import: rows were
      ids or keys, or of a file        malformed or refused
  69  UNAVAILABLE                  70  INTERNAL, UNKNOWN, DATA_LOSS
  73  ALREADY_EXISTS               74  a file could not be read or written
  75  DEADLINE_EXCEEDED, ABORTED, RESOURCE_EXHAUSTED, CANCELLED: try again
  76  UNIMPLEMENTED                77  UNAUTHENTICATED, PERMISSION_DENIED
 130  interrupted
With --output json an error is one line of JSON on standard error, with its status
and every detail.

Examples:
  user-client create --display-name 'Ada Lovelace' --email ada@example.com
  user-client list --all --output json | jq -r '.users[].email'
  user-client import people.csv
  user-client watch --state changes.token --initial-sync
  user-client load --calls 30000 --target ipv4:10.0.0.1:50051,10.0.0.2:50051";

// === impl SettingsArgs ===

impl From<SettingsArgs> for Overrides {
    fn from(args: SettingsArgs) -> Self {
        let named = [
            ("--target", "target", args.target),
            ("--timeout", "timeout", args.timeout),
            (
                "--wait-for-ready",
                "wait_for_ready",
                args.wait_for_ready.then(|| "true".to_owned()),
            ),
        ];
        let named = named.into_iter().filter_map(|(name, key, value)| {
            Some(Flag {
                name: name.to_owned(),
                key: key.to_owned(),
                value: value?.into(),
            })
        });
        let set = args.set.into_iter().map(|(key, value)| Flag {
            name: format!("--set {key}"),
            key,
            value: value.into(),
        });
        Self {
            file: args.config,
            flags: set.chain(named).collect(),
        }
    }
}

fn key_and_value(text: &str) -> Result<(String, String), NotAKeyAndValue> {
    let (key, value) = text.split_once('=').ok_or(NotAKeyAndValue)?;
    Ok((key.trim().to_owned(), value.to_owned()))
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
    fn flags_work_before_and_after_the_sub_command() {
        for args in [
            ["user-client", "--target", "a:1", "list"],
            ["user-client", "list", "--target", "a:1"],
        ] {
            let cli = Cli::try_parse_from(args).expect("both places are right");
            let overrides = Overrides::from(cli.settings);
            assert_eq!(overrides.flags[0].key, "target");
            assert_eq!(overrides.flags[0].value, "a:1");
        }
    }
}
