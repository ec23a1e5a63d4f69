//! `watch`: every change as it comes, across rollouts and runs.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use service_runtime::stop;
use tonic::Status;
use user_api::v1::WatchUsersResponse;

use super::Session;
use crate::error::Error;
use crate::load::Limit;
use crate::output::{self, Format, printable};
use crate::status;
use crate::watch::{Cursor, Failure, Observer, Origin, Patience, StateFile, follow};

const METHOD: &str = "WatchUsers";

/// Show every change of users as it comes, until Ctrl-C.
///
/// When the stream is lost (a rollout, an overload, a cut connection) it is continued after the last
/// change that was shown, on any replica: no change is missed and none is shown twice.
#[derive(Args, Debug)]
#[command(after_help = "\
With --output json every line is one WatchUsersResponse as ProtoJSON, heartbeats left out.

Ctrl-C and SIGTERM end it in an orderly way, with exit code 0; the resume token then stands on \
standard error, or in the --state file. A process that is killed (SIGKILL, power) may leave the file \
a tenth of a second behind, so that the next run shows the last changes once more.

A resume token that the service does not accept, for it is malformed or its changes are not kept any \
more, ends it with the exit code of that status (65): begin again with --initial-sync.

Examples:
  user-client watch
  user-client watch --state ~/.cache/changes --initial-sync --output json | ./apply-changes
  user-client watch --resume-token \"$TOKEN\"")]
pub struct Watch {
    /// Show every user that exists first, as added, and then what changes.
    #[arg(long)]
    initial_sync: bool,
    /// Continue after the change that carried this token.
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["initial_sync", "state"])]
    resume_token: Option<String>,
    /// Keep the resume token in this file, and continue from it when it is there; the other flags
    /// then say where the first run begins.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// End with an error when the stream is lost for this long: 30s, 5m, or forever.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = |text: &str| text.parse::<Limit>())]
    give_up_after: Limit,
    /// Answers probes, Prometheus and operators at this address while it runs: /livez, /readyz,
    /// /metrics, /channel, /log-level [default: off].
    #[arg(long, value_name = "ADDRESS")]
    ops_address: Option<String>,
}

/// Prints what it is told.
struct Printer {
    format: Format,
}

// === impl Watch ===

impl Watch {
    pub(super) fn ops_address(&self) -> Option<&String> {
        self.ops_address.as_ref()
    }

    pub(super) async fn run(self, session: &mut Session) -> Result<(), Error> {
        let state = self.state.map(StateFile::new);
        let kept = match &state {
            Some(state) => state.read().map_err(Error::State)?,
            None => None,
        };
        let origin = match (kept, &state, self.resume_token) {
            (Some(token), Some(state), _) => Origin::File(state.path().to_owned(), token),
            (_, _, Some(token)) => Origin::Token(token),
            _ if self.initial_sync => Origin::InitialSync,
            _ => Origin::Now,
        };
        let patience = Patience {
            give_up_after: match self.give_up_after {
                Limit::Elapsed(time) => Some(time),
                Limit::Never | Limit::Calls(_) => None,
            },
        };
        let (stopper, mut requests) = stop::channel();
        stopper.listen_to_signals().map_err(Error::Signals)?;
        let mut cursor = Cursor::new(origin);
        let mut printer = Printer {
            format: session.format,
        };
        if session.format == Format::Text {
            line(&output::change_header()).map_err(Error::Output)?;
        }
        let client = session.client.clone();
        let failure = tokio::select! {
            failure = follow(client, &mut cursor, state.as_ref(), patience, &mut printer) => Some(failure),
            _cause = requests.next() => None,
        };
        // Whatever ended it, the next run continues behind what was shown.
        if let (Some(state), Some(token)) = (&state, cursor.token()) {
            state.write(token).map_err(Error::State)?;
        }
        let result = match failure {
            None => Ok(()),
            Some(failure) => Err(session.watch_failed(failure, cursor.origin())),
        };
        if !matches!(&result, Err(Error::Output(_) | Error::ResumeRefused { .. })) {
            farewell(&cursor, state.as_ref());
        }
        result
    }
}

/// Says how the next run continues.
fn farewell(cursor: &Cursor, state: Option<&StateFile>) {
    match (cursor.token(), state) {
        (None, _) => {}
        (Some(_), Some(state)) => {
            anstream::eprintln!("The next run continues from {}.", state.path().display());
        }
        (Some(token), None) => {
            anstream::eprintln!("To continue: --resume-token {}", printable(token));
        }
    }
}

fn line(text: &str) -> io::Result<()> {
    let mut stdout = anstream::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

// === impl Session ===

impl Session {
    fn watch_failed(&self, failure: Failure, origin: &Origin) -> Error {
        match failure {
            Failure::Call(status) => self.failed(METHOD, *status),
            Failure::Token(status) => Error::ResumeRefused {
                origin: match origin {
                    Origin::File(path, _) => format!("the token in {}", path.display()),
                    _ => "the resume token".to_owned(),
                },
                source: status,
            },
            Failure::TokenMissing => Error::Response {
                method: METHOD,
                field: "resume_token with a change",
            },
            Failure::State(error) => Error::State(error),
            Failure::Output(error) => Error::Output(error),
        }
    }
}

// === impl Printer ===

impl Observer for Printer {
    fn event(&mut self, event: &WatchUsersResponse) -> io::Result<()> {
        match output::change(event, self.format)? {
            Some(text) => line(&text),
            None => Ok(()),
        }
    }

    fn lost(&mut self, status: &Status, wait: Duration, caveat: Option<&'static str>) {
        let wait = output::duration(Duration::from_millis(
            u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        ));
        let caveat = caveat.map(|it| format!("; {it}")).unwrap_or_default();
        anstream::eprintln!(
            "lost: {}: {}; again in {wait}{caveat}",
            status::name(status.code()),
            printable(status.message()),
        );
    }
}
