//! `lookup`: many keys as a pipeline.

use std::io::{self, BufRead as _, Write as _};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use user_api::v1::LookupUsersResponse;

use super::Session;
use crate::error::{Error, of_code};
use crate::lookup::{By, InFlight, Keys, ask};
use crate::output::{Answer, Format, answer_header};
use crate::watch::retry;

const METHOD: &str = "LookupUsers";

/// How long the asking side may take to notice that it is done.
const SETTLED: Duration = Duration::from_secs(1);

/// Look many users up by id or e-mail address, and show the answers as they come.
///
/// The answers come in any order; the tag says which key one is for: the first is 1. When a key is
/// not found the others are still answered, and the exit code is 66. When the connection is lost, what
/// is unanswered is asked for again, as long as the timeout allows.
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
        let keys = Arc::new(Mutex::new(Keys::new(keys(self.keys)?, self.by)));
        if session.format == Format::Text {
            let mut stdout = anstream::stdout().lock();
            writeln!(stdout, "{}", answer_header()).map_err(Error::Output)?;
        }
        let mut all_found = true;
        let mut has_begun = false;
        let mut failures = 0;
        let mut lost_at = Instant::now();
        loop {
            let (sender, questions) = mpsc::channel(1);
            let again = tokio_stream::iter(in_flight.again());
            let questions = again.chain(ReceiverStream::new(questions));
            let mut asking = JoinSet::new();
            asking.spawn(ask(keys.clone(), in_flight.clone(), sender));
            let opening = Instant::now();
            let mut has_answered = false;
            let status = match session.client.lookup_users(questions).await {
                Ok(response) => {
                    has_begun = true;
                    let mut show = |found| {
                        all_found &= found;
                        has_answered = true;
                    };
                    let stream = response.into_inner();
                    match session.answers(stream, &in_flight, &mut show).await? {
                        Some(status) => status,
                        None if is_over(&mut asking).await => break,
                        None => Status::unavailable("the server ended the stream"),
                    }
                }
                Err(status) => status,
            };
            // What is in flight is asked for again, so that a rollout costs no answer.
            asking.shutdown().await;
            if has_answered || opening.elapsed() > session.timeout {
                failures = 0;
            }
            if failures == 0 {
                lost_at = Instant::now();
            }
            failures += 1;
            let wait = retry::delay(failures, &status, fastrand::f64());
            let is_too_long = lost_at.elapsed() + wait > session.timeout;
            if !has_begun || is_too_long || !retry::is_worthwhile(status.code()) {
                return Err(session.failed(METHOD, status));
            }
            tokio::time::sleep(wait).await;
        }
        if let Some(error) = keys.lock().await.take_failure() {
            return Err(Error::Input(error));
        }
        Ok(if all_found {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(of_code(Code::NotFound))
        })
    }
}

/// Whether the asking side is done. A server that ends the stream after the last question has seen its
/// end, so that there is next to nothing to wait for; one that ends it earlier leaves keys unasked.
async fn is_over(asking: &mut JoinSet<()>) -> bool {
    match tokio::time::timeout(SETTLED, asking.join_next()).await {
        Ok(Some(Err(error))) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Ok(_) => true,
        Err(_) => false,
    }
}

// === impl Session ===

impl Session {
    /// Prints the answers of one stream and tells `show` of each whether something was found. Returns
    /// how the stream was lost, or `None` when it is over and every question is answered.
    async fn answers(
        &self,
        mut stream: Streaming<LookupUsersResponse>,
        in_flight: &InFlight,
        show: &mut (dyn FnMut(bool) + Send),
    ) -> Result<Option<Status>, Error> {
        let breach = |field| Error::Response {
            method: METHOD,
            field,
        };
        loop {
            let Ok(answer) = tokio::time::timeout(self.timeout, stream.message()).await else {
                self.check_patience(in_flight)?;
                continue;
            };
            let answer = match answer {
                Ok(Some(answer)) => answer,
                Ok(None) if in_flight.oldest().is_some() => {
                    return Err(breach("answer to every question"));
                }
                Ok(None) => return Ok(None),
                Err(status) => return Ok(Some(status)),
            };
            let question = in_flight.take(&answer.tag);
            let question = question.ok_or_else(|| breach("tag of a question that is open"))?;
            let document = Answer::new(&answer, &question.key.text);
            let document = document.ok_or_else(|| breach("result"))?;
            self.print(&document, Answer::text)?;
            show(document.is_found());
        }
    }

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
