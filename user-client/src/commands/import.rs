//! `import`: many resources from a file, as one stream.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use service_runtime::stop;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::Code;
use user_api::v1::{ImportUsersRequest, ImportUsersResponse};

use super::Session;
use crate::error::{Error, of_code};
use crate::import::{Format, Ledger, Line, Malformed, Progress, ReadError, Source};
use crate::output::{self, Summary};

const METHOD: &str = "ImportUsers";

/// Create many users from a file.
///
/// A row that is malformed or refused keeps none of the others from being created; the exit code is
/// then 65. No more of the file is in memory than a few rows, whatever its length.
#[derive(Args, Debug)]
#[command(after_help = "\
CSV begins with a header that names the columns: display_name, email and, if wanted, age. NDJSON is an \
object per line with displayName (or display_name), email and, if wanted, age. The columns and fields \
that the service fills (id, create_time, update_time, etag) are ignored, so that what was exported can \
be imported.

Malformed rows are named by file and line when they are met, refused ones in the summary by line and \
by index in the stream. With --output json the summary is one line, the ImportUsersResponse as \
ProtoJSON, with a line for each error, and with malformedCount and malformed.

On a terminal the run shows a progress bar, otherwise a line every five seconds. When it is \
interrupted or the connection is lost, whole batches of what had been sent are kept: run it again, and \
the rows that exist are refused.

Examples:
  user-client import people.csv
  user-client import people.csv --dry-run
  zcat people.ndjson.gz | user-client import - --format ndjson --output json | jq .createdCount")]
pub struct Import {
    /// The file, or - for standard input.
    file: PathBuf,
    /// How the rows are written; without it, what the name ends in: .csv, .ndjson or .jsonl.
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Only read the file, and say what is malformed; nothing is sent.
    #[arg(long)]
    dry_run: bool,
}

// === impl Import ===

impl Import {
    pub(super) async fn run(self, session: &mut Session) -> Result<ExitCode, Error> {
        let source = Source::open(&self.file, self.format).map_err(Error::Open)?;
        let input = source.to_string();
        let is_for_script = session.format == output::Format::Json;
        let progress = Arc::new(Progress::new(source.length(), is_for_script));
        let ledger = Ledger::default();
        let mut rows = source.read().map_err(Error::Open)?;
        // One row before the call: a file that is wrong from its start costs none.
        let first = rows.recv().await;
        if let Some(Err(error)) = first {
            return Err(Error::Read(input, error));
        }
        let (shown, said) = (input.clone(), progress.clone());
        let rows = tokio_stream::iter(first).chain(ReceiverStream::new(rows));
        let requests = requests(rows, ledger.clone(), move |malformed| {
            if !is_for_script {
                said.say(&output::malformed(&shown, malformed));
            }
        });
        let response = if self.dry_run {
            tokio::pin!(requests);
            while requests.next().await.is_some() {}
            ImportUsersResponse::default()
        } else {
            call(session, requests, &ledger, &progress).await?
        };
        progress.finish();

        let summary = Summary::new(&input, &response, &ledger);
        if self.dry_run {
            session.print(&summary, |_| dry_run(&ledger))?;
        } else {
            session.print(&summary, Summary::text)?;
        }
        if let Some(error) = ledger.take_failure() {
            return Err(Error::Read(input, error));
        }
        let sent = ledger.totals().sent;
        if !self.dry_run && u64::try_from(response.received_count) != Ok(sent) {
            return Err(Error::Response {
                method: METHOD,
                field: "received_count of all rows that were sent",
            });
        }
        Ok(if summary.is_whole() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(of_code(Code::InvalidArgument))
        })
    }
}

/// The requests for the rows, each noted in the ledger when the connection takes it; what is malformed
/// is told to `say` and left out.
fn requests(
    rows: impl Stream<Item = Result<Line, ReadError>> + Send,
    ledger: Ledger,
    say: impl Fn(&Malformed) + Send,
) -> impl Stream<Item = ImportUsersRequest> + Send {
    rows.filter_map(move |line| match line {
        Ok(Ok(row)) => {
            ledger.sent(&row);
            Some(ImportUsersRequest {
                user: Some(row.user),
            })
        }
        Ok(Err(malformed)) => {
            say(&malformed);
            ledger.malformed(malformed);
            None
        }
        Err(error) => {
            ledger.failed(error);
            None
        }
    })
}

/// Makes the call, and shows its progress while it lasts.
async fn call(
    session: &mut Session,
    requests: impl Stream<Item = ImportUsersRequest> + Send + 'static,
    ledger: &Ledger,
    progress: &Progress,
) -> Result<ImportUsersResponse, Error> {
    let (stopper, mut stops) = stop::channel();
    stopper.listen_to_signals().map_err(Error::Signals)?;
    let mut ticks = tokio::time::interval(progress.interval());
    ticks.reset();
    let mut client = session.client.clone();
    let call = client.import_users(requests);
    tokio::pin!(call);
    let ended = loop {
        tokio::select! {
            ended = &mut call => break Some(ended),
            _ = ticks.tick() => progress.update(ledger.totals()),
            _cause = stops.next() => break None,
        }
    };
    let failure = match ended {
        Some(Ok(response)) => return Ok(response.into_inner()),
        Some(Err(status)) => session.failed(METHOD, status),
        None => Error::Interrupted,
    };
    progress.finish();
    if session.format == output::Format::Text {
        anstream::eprintln!(
            "{} rows had been sent; whole batches of them are kept",
            indicatif::HumanCount(ledger.totals().sent)
        );
    }
    Err(failure)
}

/// What a dry run found.
fn dry_run(ledger: &Ledger) -> String {
    let totals = ledger.totals();
    format!(
        "{} rows could be sent, {} malformed; nothing was sent",
        indicatif::HumanCount(totals.sent),
        indicatif::HumanCount(totals.malformed)
    )
}
