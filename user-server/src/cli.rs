//! The command line, and the whole program behind it: the binary calls [`run`], and so can any other
//! program that wants to be this server.

mod args;
mod check;

use std::error::Error as StdError;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use service_runtime::chain::Chain;
use service_runtime::settings::{Error as SettingsError, Loaded};
use service_runtime::telemetry::StartError;
use service_runtime::{drain, logs, stop, tls};

use self::args::{Args, Command, ConfigCommand};
use crate::server::{self, Server};
use crate::settings::{self, Settings};

/// Bad usage or configuration (`EX_USAGE` of sysexits.h).
const USAGE: u8 = 64;

/// What SIGUSR1 shows more of: this program, what it stands on, and every call.
const OURS: &[&str] = &["access", "service_runtime", env!("CARGO_CRATE_NAME")];

/// Why the program ends without success.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("the settings cannot be printed")]
    Print(#[source] Box<dyn StdError + Send + Sync>),
    #[error("{0} of the sections that name files cannot be used, as said above")]
    Files(usize),
    #[error("the tokio runtime cannot start")]
    Runtime(#[source] io::Error),
    #[error("the requests to stop cannot be listened to")]
    Stop(#[source] io::Error),
    #[error("the signals that change the logs cannot be listened to")]
    Logs(#[source] io::Error),
    #[error("the server cannot start")]
    Start(#[source] server::Error),
    #[error("the server did not stop cleanly: {0}")]
    Stopped(drain::Outcome),
}

/// Runs the program: parses the arguments (the first is the program's name), loads the settings, and
/// serves until it is asked to stop.
///
/// Returns 0 after a clean drain, and when help, the version or settings were printed; 64 after bad
/// usage or bad settings; 1 after any other failure. Starts the logs of this process, unless they have
/// been started.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    tls::install_provider();
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
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
    match execute(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_chain(&error);
            match error {
                // A file that settings name is a part of them.
                Error::Settings(_)
                | Error::Files(_)
                | Error::Start(
                    server::Error::Auth(_)
                    | server::Error::Telemetry(StartError::Push(_))
                    | server::Error::Traces(_)
                    | server::Error::Records(_),
                ) => ExitCode::from(USAGE),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn execute(args: &Args) -> Result<(), Error> {
    match &args.command {
        None | Some(Command::Serve) => serve(args),
        Some(Command::Config(ConfigCommand::Print)) => {
            let toml = load(args)?
                .to_toml()
                .map_err(|error| Error::Print(error.into()))?;
            print(&toml)
        }
        Some(Command::Config(ConfigCommand::Check {
            file,
            without_files,
        })) => {
            // Neither this environment nor these flags: a file is checked for where it will be used.
            let loaded = settings::loader().file(file).load::<Settings>()?;
            if !without_files {
                check_files(&loaded.settings)?;
            }
            print(&format!("{}: ok\n", file.display()))
        }
    }
}

/// Says everything that is wrong, and not only the first.
fn check_files(settings: &Settings) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let findings = runtime.block_on(async { check::files(settings) });
    for warning in &findings.warnings {
        // Nobody is left to tell when this cannot be printed.
        let _ = writeln!(io::stderr(), "warning: {warning}");
    }
    let count = findings.errors.len();
    for error in findings.errors {
        print_chain(&error);
    }
    match count {
        0 => Ok(()),
        count => Err(Error::Files(count)),
    }
}

fn load(args: &Args) -> Result<Loaded<Settings>, SettingsError> {
    args.apply(settings::loader().process_environment()).load()
}

fn serve(args: &Args) -> Result<(), Error> {
    let settings = load(args)?.settings;
    // A program that is this server besides other things has its own logs already.
    let logs = logs::init(&settings.log).ok();

    let runtime = settings.runtime.start().map_err(Error::Runtime)?;
    let outcome = runtime.block_on(async {
        let (stopper, requests) = stop::channel();
        stopper.listen_to_signals().map_err(Error::Stop)?;
        if args.exit_with_stdin {
            stopper.listen_to_input().map_err(Error::Stop)?;
        }
        if let Some(logs) = &logs {
            logs.listen_to_signals(OURS).map_err(Error::Logs)?;
        }
        let server = Server::build_with(settings, logs)
            .await
            .map_err(Error::Start)?;
        Ok::<_, Error>(server.serve(requests).await)
    })?;
    // What was aborted is not waited for.
    runtime.shutdown_background();
    match outcome {
        drain::Outcome::Clean => Ok(()),
        outcome => Err(Error::Stopped(outcome)),
    }
}

fn print(text: &str) -> Result<(), Error> {
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Error::Print(error.into()))
}

/// Writes an error and all its causes, once, at the edge of the program.
fn print_chain(error: &dyn StdError) {
    let mut text = String::new();
    for (number, error) in Chain(error).errors().enumerate() {
        let before = if number == 0 { "error" } else { "  caused by" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{before}: {error}");
    }
    // Nobody is left to tell when this cannot be printed.
    let _ = io::stderr().write_all(text.as_bytes());
}
