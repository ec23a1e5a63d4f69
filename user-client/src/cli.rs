//! The arguments of the program and their `--help`.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{ArgAction, Args, Parser, Subcommand};
use service_runtime::settings::Flag;

use crate::commands::{
    BatchGet, Completions, Config, Create, Delete, Doctor, Fault, Get, Import, List, Load, Lookup,
    Man, Resolve, Update, Watch,
};
use crate::credentials;
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
    Resolve(Resolve),
    #[expect(missing_docs, reason = "as below: --help shows the type's own comment")]
    Doctor(Doctor),
    #[expect(missing_docs, reason = "as below: --help shows the type's own comment")]
    Fault(Fault),
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
#[expect(
    clippy::struct_excessive_bools,
    reason = "a flag is given or it is not"
)]
pub struct SettingsArgs {
    /// Where the service is: HOST:PORT, or another form (see `user-client --help`).
    #[arg(long, global = true, value_name = "TARGET")]
    target: Option<String>,
    /// Another target, for when those before it have failed; may be repeated.
    #[arg(long, global = true, value_name = "TARGET", action = ArgAction::Append)]
    fallback: Vec<String>,
    /// Leave balancing, retries and encryption to the service mesh; the target is then the name of a
    /// Service with a cluster IP.
    #[arg(long, global = true)]
    mesh: bool,
    /// How long one call may take, such as 500ms or 5s.
    #[arg(long, global = true, value_name = "TIME")]
    timeout: Option<String>,
    /// Wait for a replica that is ready, as long as the timeout allows, instead of failing at once.
    #[arg(long, global = true)]
    wait_for_ready: bool,
    /// Make connections by TLS; needs --tls-ca.
    #[arg(long, global = true)]
    tls: bool,
    /// The authorities that are trusted (PEM).
    #[arg(long, global = true, value_name = "FILE")]
    tls_ca: Option<String>,
    /// This client's certificate chain, leaf first (PEM), for servers that ask for one.
    #[arg(long, global = true, value_name = "FILE")]
    tls_certificate: Option<String>,
    /// Its private key (PEM).
    #[arg(long, global = true, value_name = "FILE")]
    tls_private_key: Option<String>,
    /// The name that the server's certificate must have, where it is not the target's host.
    #[arg(long, global = true, value_name = "NAME")]
    tls_server_name: Option<String>,
    /// The name for Basic credentials; the password comes from a file or from the environment.
    #[arg(long, global = true, value_name = "NAME")]
    basic_name: Option<String>,
    /// A file with the password.
    #[arg(long, global = true, value_name = "FILE")]
    basic_password_file: Option<String>,
    /// A file with a bearer token, which is read again and again.
    #[arg(long, global = true, value_name = "FILE")]
    bearer_token_file: Option<String>,
    /// Send credentials over plaintext, where whoever listens can use them afterwards.
    #[arg(long, global = true)]
    insecure_credentials_over_plaintext: bool,
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

/// What `--set` does not take.
#[derive(Debug, thiserror::Error)]
enum NotAKeyAndValue {
    #[error("expected KEY=VALUE, such as channel.connect_timeout=5s")]
    NoValue,
    #[error(
        "expected no password, since every process sees the arguments of this one; \
         set USER_CLIENT__CREDENTIALS__BASIC_PASSWORD, or --basic-password-file"
    )]
    Password,
}

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const AFTER_HELP: &str = "\
Targets:
  dns:///HOST:PORT              every address of the name; HOST:PORT is the same
  dns://SERVER:PORT/HOST:PORT   the same, asking this DNS server
  dns+srv:///_PORT._tcp.HOST    the hosts and ports of its SRV records
  k8s:///SERVICE.NAMESPACE:PORT the ready pods of a Service, told by the Kubernetes API;
                                PORT is the number of the container's port, or its name
  ipv4:ADDRESS:PORT,…           these addresses
  unix:PATH                     a Unix socket
In Kubernetes name the headless Service, and end the name with a dot, so that it
costs one query: dns:///user-server-headless.NAMESPACE.svc.cluster.local.:50051
In a service mesh set --mesh and name the usual Service: dns:///user-server:50051

Settings come from these layers, each overriding the ones before it:
  1. the defaults
  2. SERVER_HOST=HOST:PORT, for the target only
  3. a TOML file: --config FILE, or the one that USER_CLIENT_CONFIG names
  4. the environment: USER_CLIENT__TARGET, USER_CLIENT__TIMEOUT,
     USER_CLIENT__CHANNEL__CONNECT_TIMEOUT, …
  5. flags: --target, --timeout, --wait-for-ready, --tls…, --set KEY=VALUE
`user-client config print` shows each setting and the layer that it came from.

Exit codes:
   0  done                          1  load: a call failed; doctor: something
                                       is wrong; fault: a replica refused;
                                       any other failure
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
  user-client list --tls --tls-ca ca.crt --tls-certificate client.crt --tls-private-key client.key
  user-client load --calls 30000 --target ipv4:10.0.0.1:50051,10.0.0.2:50051";

// === impl SettingsArgs ===

impl From<SettingsArgs> for Overrides {
    fn from(args: SettingsArgs) -> Self {
        let switch = |is_given: bool| is_given.then(|| "true".to_owned());
        let named = [
            ("--target", "target", args.target),
            (
                "--fallback",
                "fallbacks",
                (!args.fallback.is_empty()).then(|| args.fallback.join(",")),
            ),
            ("--mesh", "mesh", switch(args.mesh)),
            ("--timeout", "timeout", args.timeout),
            (
                "--wait-for-ready",
                "wait_for_ready",
                switch(args.wait_for_ready),
            ),
            ("--tls", "tls.enabled", switch(args.tls)),
            ("--tls-ca", "tls.ca", args.tls_ca),
            ("--tls-certificate", "tls.certificate", args.tls_certificate),
            ("--tls-private-key", "tls.private_key", args.tls_private_key),
            ("--tls-server-name", "tls.server_name", args.tls_server_name),
            ("--basic-name", "credentials.basic_name", args.basic_name),
            (
                "--basic-password-file",
                "credentials.basic_password_file",
                args.basic_password_file,
            ),
            (
                "--bearer-token-file",
                "credentials.bearer_token_file",
                args.bearer_token_file,
            ),
            (
                "--insecure-credentials-over-plaintext",
                "credentials.insecure_over_plaintext",
                switch(args.insecure_credentials_over_plaintext),
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
    let (key, value) = text.split_once('=').ok_or(NotAKeyAndValue::NoValue)?;
    let key = key.trim();
    if key.eq_ignore_ascii_case(credentials::PASSWORD) {
        return Err(NotAKeyAndValue::Password);
    }
    Ok((key.to_owned(), value.to_owned()))
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
