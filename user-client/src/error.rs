//! What can go wrong, and what the process exits with: the one place that maps failures to codes.
//!
//! The codes are those of BSD's [sysexits], so that a script tells "try again later" from "this will
//! never work" without reading messages:
//!
//! | code | when |
//! |---|---|
//! | 0 | done |
//! | 1 | `load`: a call failed, or none was answered; `doctor`: something is wrong; `fault`: a replica did not do it; any other failure without a code of its own |
//! | 64 | the arguments, the settings or the target are wrong |
//! | 65 | `INVALID_ARGUMENT`, `OUT_OF_RANGE`, `FAILED_PRECONDITION`; `import`: rows were malformed or refused |
//! | 66 | `NOT_FOUND`; `batch-get`, `lookup`: some were not found; `import`: no such file |
//! | 69 | `UNAVAILABLE`; `resolve`: no address |
//! | 70 | `INTERNAL`, `UNKNOWN`, `DATA_LOSS` |
//! | 73 | `ALREADY_EXISTS` |
//! | 74 | the result or the state file could not be written, a file could not be read |
//! | 75 | `DEADLINE_EXCEEDED`, `ABORTED`, `RESOURCE_EXHAUSTED`, `CANCELLED`: trying again may help |
//! | 76 | `UNIMPLEMENTED` |
//! | 77 | `UNAUTHENTICATED`, `PERMISSION_DENIED` |
//! | 130 | Ctrl-C; in `load`, which ends with its result at the first, the second one |
//!
//! [sysexits]: https://man.freebsd.org/cgi/man.cgi?query=sysexits

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use grpc_channel::resolver::ResolveError;
use serde_json::json;
use service_runtime::chain::Chain;
use tonic::{Code, Status};

use crate::connect;
use crate::hint::{hint, unresolved};
use crate::import::{OpenError, ReadError};
use crate::output::Format;
use crate::status;
use crate::watch::StateError;

/// The arguments, the settings or the target are wrong.
const USAGE: u8 = 64;
/// The result could not be written.
const IO: u8 = 74;
/// What a shell reports for a process that SIGINT ended.
const INTERRUPTED: u8 = 130;

/// What ends a command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings are wrong.
    #[error("the settings cannot be used")]
    Settings(#[source] service_runtime::settings::Error),
    /// The settings cannot be shown.
    #[error("the settings cannot be written as TOML")]
    Print(#[source] toml::ser::Error),
    /// The logs cannot be started.
    #[error("the logs cannot be started")]
    Logs(#[source] service_runtime::logs::InitError),
    /// Spans cannot be sent as the settings say.
    #[error("no spans can be sent; the settings under telemetry.traces say where")]
    Traces(#[source] service_runtime::telemetry::traces::StartError),
    /// Metrics cannot be pushed as the settings say.
    #[error("no metrics can be pushed; the settings under telemetry.metrics say where")]
    Metrics(#[source] service_runtime::telemetry::StartError),
    /// Log records cannot be sent as the settings say.
    #[error("no log records can be sent; the settings under telemetry.logs say where")]
    Records(#[source] service_runtime::telemetry::logs::StartError),
    /// Nothing can be measured.
    #[error("nothing can be measured; the settings under telemetry.metrics say who is told")]
    Telemetry(#[source] service_runtime::telemetry::StartError),
    /// See the source.
    #[error("the ops listener cannot start; --ops-address, or the setting ops.address, says where")]
    Ops(#[source] service_runtime::server::ListenError),
    /// The target, a setting of the channel or a file of TLS is wrong.
    #[error("there can be no channel to {target:?}")]
    Channel {
        /// As it was given.
        target: String,
        /// What is wrong.
        #[source]
        source: connect::Error,
    },
    /// A target leads to no address.
    #[error("{target:?} leads to no address")]
    Resolve {
        /// As it was given.
        target: String,
        /// Why.
        #[source]
        source: ResolveError,
    },
    /// A fault that no replica would take.
    #[error("this is no fault")]
    Fault(#[source] service_runtime::faults::Expected),
    /// No replica of the target has an address with an ops port.
    #[error(
        "no replica of {0:?} has an IP address; name the ops listeners by --ops-address HOST:PORT"
    )]
    NoOpsAddress(String),
    /// A manual page was asked for that there is none of.
    #[error("there is no sub-command {0:?}; `user-client --help` lists them")]
    NoSuchCommand(String),
    /// An id was given for a call that takes none.
    #[error("--id goes with --method get")]
    IdWithoutGet,
    /// A call failed.
    #[error("{method} failed")]
    Call {
        /// The RPC, such as `GetUser`.
        method: &'static str,
        /// Where it was sent.
        target: String,
        /// What came back.
        #[source]
        source: Box<Status>,
    },
    /// A stream of changes cannot be continued from where it was to be.
    #[error("{origin} does not continue the stream")]
    ResumeRefused {
        /// Where the token came from.
        origin: String,
        /// What the server said.
        #[source]
        source: Box<Status>,
    },
    /// The file with the resume token cannot be used.
    #[error(transparent)]
    State(StateError),
    /// The server left a question open.
    #[error("{method} has not answered for {key:?} within {timeout:?}")]
    Unanswered {
        /// The RPC.
        method: &'static str,
        /// What was asked for.
        key: String,
        /// How long was waited.
        timeout: Duration,
    },
    /// The rows to import cannot be had.
    #[error("nothing can be imported")]
    Open(#[source] OpenError),
    /// The rows to import cannot be read to their end.
    #[error("{0} cannot be read to its end")]
    Read(String, #[source] ReadError),
    /// Standard input cannot be read.
    #[error("standard input cannot be read")]
    Input(#[source] io::Error),
    /// A response lacks what its contract promises.
    #[error("the response of {method} carries no {field}: the server breaks its contract")]
    Response {
        /// The RPC.
        method: &'static str,
        /// The missing field.
        field: &'static str,
    },
    /// The result could not be written.
    #[error("the result could not be written")]
    Output(#[source] io::Error),
    /// A second signal asked to stop at once.
    #[error("interrupted")]
    Interrupted,
    /// The process cannot listen to signals.
    #[error("signals cannot be listened to")]
    Signals(#[source] io::Error),
}

/// An error as the operator gets to see it.
#[derive(Debug)]
pub struct Reported<'a> {
    error: &'a Error,
    format: Format,
}

// === impl Error ===

impl Error {
    /// The code to exit with, from the table of [this module](self).
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_)
            | Self::Traces(_)
            | Self::Metrics(_)
            | Self::Records(_)
            | Self::Channel { .. }
            | Self::IdWithoutGet
            | Self::Fault(_)
            | Self::Telemetry(_)
            | Self::Ops(_)
            | Self::NoOpsAddress(_)
            | Self::NoSuchCommand(_)
            | Self::Open(OpenError::Format(_)) => USAGE,
            Self::Call { source, .. } | Self::ResumeRefused { source, .. } => {
                of_code(source.code())
            }
            Self::Unanswered { .. } => of_code(Code::DeadlineExceeded),
            Self::Resolve { .. } => of_code(Code::Unavailable),
            Self::Response { .. } => of_code(Code::Internal),
            Self::Open(OpenError::File(..)) => of_code(Code::NotFound),
            Self::Output(_)
            | Self::Input(_)
            | Self::Read(_, ReadError::Io { .. })
            | Self::State(StateError::Read(..) | StateError::Write(..)) => IO,
            Self::Read(..) | Self::State(StateError::Malformed(_)) => {
                of_code(Code::InvalidArgument)
            }
            Self::Interrupted => INTERRUPTED,
            Self::Print(_)
            | Self::Logs(_)
            | Self::Signals(_)
            | Self::Open(OpenError::Thread(_)) => 1,
        }
    }

    /// Whether the reader of the result has gone away, as `head` does: no failure of ours.
    fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// The exit code for a call that ended with `code`, from the table of [this module](self).
#[must_use]
pub const fn of_code(code: Code) -> u8 {
    match code {
        Code::Ok => 0,
        Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition => 65,
        Code::NotFound => 66,
        Code::Unavailable => 69,
        Code::Internal | Code::Unknown | Code::DataLoss => 70,
        Code::AlreadyExists => 73,
        Code::DeadlineExceeded | Code::Aborted | Code::ResourceExhausted | Code::Cancelled => 75,
        Code::Unimplemented => 76,
        Code::Unauthenticated | Code::PermissionDenied => 77,
    }
}

/// Prints what clap has to say: help and version to standard output with code 0, wrong arguments to
/// standard error with code 64.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // Nothing is left to do when even this cannot be written.
    let _unwritable = error.print();
    if error.use_stderr() {
        ExitCode::from(USAGE)
    } else {
        ExitCode::SUCCESS
    }
}

// === impl Reported ===

impl<'a> Reported<'a> {
    /// Reports `error` in this form.
    #[must_use]
    pub const fn new(error: &'a Error, format: Format) -> Self {
        Self { error, format }
    }

    /// Writes the error to standard error and returns the code to exit with.
    #[must_use = "the process should exit with it"]
    pub fn print(&self) -> ExitCode {
        if self.error.is_broken_pipe() {
            return ExitCode::SUCCESS;
        }
        match self.format {
            Format::Text => anstream::eprintln!("{}", self.text()),
            Format::Json => anstream::eprintln!("{}", self.json()),
        }
        ExitCode::from(self.error.exit_code())
    }

    /// The error for people: what failed, why, and what to try.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("error: {}", self.error);
        if let Error::Call { target, source, .. } = self.error {
            text.push_str(": ");
            text.push_str(&status::Text(source).to_string());
            if let Some(hint) = hint(source, target) {
                text.push_str("\n\n");
                text.push_str(&hint);
            }
            return text;
        }
        if let Error::ResumeRefused { source, .. } = self.error {
            text.push_str(": ");
            text.push_str(&status::Text(source).to_string());
            text.push_str("\n\n");
            text.push_str(BEGIN_AGAIN);
            return text;
        }
        text = format!("error: {}", Chain(self.error));
        if let Error::Channel { source, .. } = self.error
            && source.is_bad_target()
        {
            text.push_str("\n\n");
            text.push_str(TARGET_FORMS);
        }
        if let Error::Resolve { target, .. } = self.error {
            text.push_str("\n\n");
            text.push_str(&unresolved(target));
        }
        text
    }

    /// The error for machines, on one line: `error`, and for a failed call its `status`.
    #[must_use]
    pub fn json(&self) -> String {
        match self.error {
            Error::Call { method, source, .. } => {
                json!({ "error": self.error.to_string(), "method": method, "status": status::json(source) })
            }
            Error::ResumeRefused { source, .. } => {
                json!({ "error": self.error.to_string(), "status": status::json(source) })
            }
            _ => json!({ "error": self.text().trim_start_matches("error: ") }),
        }
        .to_string()
    }
}

const TARGET_FORMS: &str = "\
A target is dns:///HOST:PORT, dns://SERVER:PORT/HOST:PORT, k8s:///SERVICE.NAMESPACE:PORT,
ipv4:ADDRESS:PORT,… or HOST:PORT; set it by --target, USER_CLIENT__TARGET, SERVER_HOST or the file.";

const BEGIN_AGAIN: &str = "\
The token is malformed, comes from another service, or is older than the changes that are
kept. To begin again with all that exists: --initial-sync, and no token or state file.";

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(status: Status) -> Error {
        Error::Call {
            method: "GetUser",
            target: "dns:///localhost:50051".to_owned(),
            source: Box::new(status),
        }
    }

    #[test]
    fn a_failed_call_says_what_and_where_and_what_to_try() {
        let error = failed(Status::unavailable("127.0.0.1:50051 connection refused"));
        let text = Reported::new(&error, Format::Text).text();
        for part in [
            "error: GetUser failed: UNAVAILABLE: 127.0.0.1:50051 connection refused",
            "dns:///localhost:50051",
            "--target",
        ] {
            assert!(text.contains(part), "{part:?} is missing in:\n{text}");
        }
        assert_eq!(error.exit_code(), 69, "UNAVAILABLE is EX_UNAVAILABLE");
    }

    #[test]
    fn machines_get_the_status_as_one_line_of_json() {
        let error = failed(Status::not_found("no such id"));
        let json = Reported::new(&error, Format::Json).json();
        let json: serde_json::Value = serde_json::from_str(&json).expect("it must be JSON");
        assert_eq!(json["status"]["code"], "NOT_FOUND");
        assert_eq!(json["method"], "GetUser");
    }

    #[test]
    fn what_may_succeed_later_is_told_from_what_never_will() {
        assert_eq!(of_code(Code::ResourceExhausted), 75);
        assert_eq!(of_code(Code::InvalidArgument), 65);
        for code in 1..=16 {
            assert_ne!(
                of_code(Code::from(code)),
                0,
                "no failure may look like success"
            );
        }
    }
}
