//! `lookup`: many keys as a pipeline.

use std::io::{self, BufRead as _, Write as _};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::Session;
use crate::error::{Error, of_code};
use crate::lookup::{By, InFlight, ask};
use crate::output::{Answer, Format, answer_header};

const METHOD: &str = "LookupUsers";

/// Look many users up by id or e-mail address, and show the answers as they come.
///
/// The answers come in any order; the tag says which key one is for: the first is 1. When a key is
/// not found the others are still answered, and the exit code is 66.
#[derive(Args, Debug)]
#[command(after_help = "\
With --output json every line is one LookupUsersResponse as ProtoJSON, and the key that was asked for.

Examples:
  user-client lookup ada@example.com 01890a5d-ac96-774b-bcce-b302099a8057
  cut -d, -f2 people.csv | user-client lookup --output json | jq -r 'select(.error) | .key'")]
pub struct Lookup {
    /// The ids and e-mail addresses. Without any, or with - alone, they are read from standard input,
    /// one per line.
    #[arg(value_name = "KEY")]
    keys: Vec<String>,
    /// What the keys are; auto takes what contains an @ for an e-mail address.
    #[arg(
        long,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        value_name = "auto|id|email"
    )]
    by: By,
    /// How many may be unanswered at a time.
    #[arg(long, value_name = "N", default_value = "64")]
    in_flight: NonZeroUsize,
}

// === impl Lookup ===

impl Lookup {
    pub(super) async fn run(self, session: &mut Session) -> Result<ExitCode, Error> {
        let in_flight = Arc::new(InFlight::new(self.in_flight.get()));
        let (sender, questions) = mpsc::channel(1);
        let mut asking = JoinSet::new();
        asking.spawn(ask(keys(self.keys)?, self.by, in_flight.clone(), sender));
        let mut answers = session
            .client
            .lookup_users(ReceiverStream::new(questions))
            .await
            .map_err(|status| session.failed(METHOD, status))?
            .into_inner();

        if session.format == Format::Text {
            let mut stdout = anstream::stdout().lock();
            writeln!(stdout, "{}", answer_header()).map_err(Error::Output)?;
        }
        let mut all_found = true;
        loop {
            let Ok(answer) = tokio::time::timeout(session.timeout, answers.message()).await else {
                session.check_patience(&in_flight)?;
                continue;
            };
            let answer = answer.map_err(|status| session.failed(METHOD, status))?;
            let Some(answer) = answer else {
                break;
            };
            let breach = |field| Error::Response {
                method: METHOD,
                field,
            };
            let question = in_flight.take(&answer.tag);
            let question = question.ok_or_else(|| breach("tag of a question that is open"))?;
            let document = Answer::new(&answer, &question.key.text);
            let document = document.ok_or_else(|| breach("result"))?;
            all_found &= document.is_found();
            session.print(&document, Answer::text)?;
        }
        if in_flight.oldest().is_some() {
            return Err(Error::Response {
                method: METHOD,
                field: "answer to every question",
            });
        }
        // The server ends the stream after the last question: by now all are asked, unless it ended
        // too early or the keys could not be read.
        match asking.join_next().await {
            Some(Ok(asked)) => asked.map_err(Error::Input)?,
            Some(Err(error)) if error.is_panic() => {
                std::panic::resume_unwind(error.into_panic());
            }
            Some(Err(_)) | None => {}
        }
        Ok(if all_found {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(of_code(Code::NotFound))
        })
    }
}

// === impl Session ===

impl Session {
    /// Fails when a question has waited for longer than one call may take.
    fn check_patience(&self, in_flight: &InFlight) -> Result<(), Error> {
        match in_flight.oldest() {
            Some((asked, key)) if asked.elapsed() >= self.timeout => Err(Error::Unanswered {
                method: METHOD,
                key: key.text,
                timeout: self.timeout,
            }),
            _ => Ok(()),
        }
    }
}

/// The keys from the arguments or from standard input, no faster than they are taken.
fn keys(arguments: Vec<String>) -> Result<mpsc::Receiver<io::Result<String>>, Error> {
    let (sender, keys) = mpsc::channel(1);
    let from_input = arguments.is_empty() || arguments == ["-"];
    // A thread, because a pending read of standard input would hold the runtime at its end.
    std::thread::Builder::new()
        .name("keys".to_owned())
        .spawn(move || {
            let send = |key| sender.blocking_send(key).is_ok();
            if !from_input {
                let _all_sent = arguments.into_iter().map(Ok).all(send);
                return;
            }
            let _all_sent = io::stdin()
                .lock()
                .lines()
                .map(|line| line.map(|line| line.trim().to_owned()))
                .filter(|line| line.as_ref().map_or(true, |line| !line.is_empty()))
                .all(send);
        })
        .map_err(Error::Input)?;
    Ok(keys)
}
