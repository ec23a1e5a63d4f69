//! `load`: many calls, and who answered them.

use std::io::IsTerminal as _;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use service_runtime::stop;
use tokio_util::sync::CancellationToken;

use super::Session;
use crate::error::Error;
use crate::load::prepare::{PrepareError, answers, any_id, first_id};
use crate::load::{
    self, Bar, Call, GetCall, Limit, Lines, ListCall, Plan, Progress, Rate, Report, Silent,
};
use crate::output::Format;

/// How many calls are made when neither a number nor a time is given: seconds on any machine.
const DEFAULT_CALLS: u64 = 10_000;

/// How long calls in flight may take to finish after Ctrl-C.
const GRACE: Duration = Duration::from_secs(2);

/// Make many calls, and show which replica answered how many, how fast.
///
/// Ctrl-C or SIGTERM ends the run in an orderly way, with the result so far; a second one ends it at
/// once. The exit code is 0 only when calls were answered and none failed.
#[derive(Args, Debug)]
#[command(after_help = "\
Without --rate each worker makes its next call as soon as the last one is answered. With --rate the \
calls are due at fixed times, however slow the answers are, and a late call's latency counts from \
when it was due: a stall shows as what it costs (no coordinated omission).

On a terminal the run shows a progress bar, otherwise a line every five seconds. With --output json \
and --interval the lines are JSON as well: {\"interval\": …} on standard error.

Examples:
  user-client load --calls 1000000 --workers 10
  user-client load --duration 30s --rate 200 --method get
  user-client load --duration forever --rate 50 --wait-for-ready
  user-client load --output json | jq '.replicas[] | {name, calls}'")]
pub struct Load {
    /// How many calls to make [default: 10000].
    #[arg(long, value_name = "N", conflicts_with = "duration", value_parser = clap::value_parser!(u64).range(1..))]
    calls: Option<u64>,
    /// For how long to make calls instead: 10s, 5m, 1h30m, or forever.
    #[arg(long, value_name = "TIME", value_parser = |text: &str| text.parse::<Limit>())]
    duration: Option<Limit>,
    /// How many calls are in flight at the most.
    #[arg(long, value_name = "W", default_value = "10")]
    workers: NonZeroUsize,
    /// How many calls are due in all: per second as 50 or 50/s, per minute as 30/m, per hour as 10/h.
    /// Without it, as many as the workers manage.
    #[arg(long, value_name = "R")]
    rate: Option<Rate>,
    /// How often a line says how the run goes, where no terminal shows a bar: 500ms, 5s, 1m
    /// [default: 5s].
    #[arg(long, value_name = "TIME", value_parser = interval)]
    interval: Option<Duration>,
    /// Which RPC to call.
    #[arg(long, value_enum, default_value_t)]
    method: Method,
    /// The id that `--method get` asks for. Without it, that of the first entry; when there is none,
    /// one is created.
    #[arg(long)]
    id: Option<String>,
    /// Answers probes, Prometheus and operators at this address while it runs: /livez, /readyz,
    /// /metrics, /channel, /log-level [default: off].
    #[arg(long, value_name = "ADDRESS")]
    ops_address: Option<String>,
}

/// The RPCs that can be called in bulk: reads only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Method {
    /// A page of one: needs no data, and every replica answers it alike, whatever it stores.
    #[default]
    List,
    /// One entry by its id: for replicas that share a database. (Where each has a store of its own,
    /// the other replicas answer `NOT_FOUND`.)
    Get,
}

// === impl Load ===

impl Load {
    pub(super) fn ops_address(&self) -> Option<&String> {
        self.ops_address.as_ref()
    }

    pub(super) async fn run(self, session: Session) -> Result<ExitCode, Error> {
        let plan = self.plan();
        let progress = progress(plan.limit, session.format, self.interval);
        let failed = |error: PrepareError| session.failed(error.method, *error.status);
        match (self.method, self.id) {
            (Method::List, None) => {
                // A program that runs for ever may be started before its servers are.
                if plan.limit != Limit::Never {
                    first_id(&session.channel, session.timeout)
                        .await
                        .map_err(failed)?;
                }
                let call = ListCall::new(session.channel.clone(), session.timeout)
                    .compressed(session.compression);
                run(&plan, call, progress, &session).await
            }
            (Method::List, Some(_)) => Err(Error::IdWithoutGet),
            (Method::Get, id) => {
                let id = match id {
                    Some(id) => id,
                    None => any_id(&session.channel, session.timeout)
                        .await
                        .map_err(failed)?,
                };
                let call = GetCall::new(session.channel.clone(), id, session.timeout)
                    .compressed(session.compression);
                run(&plan, call, progress, &session).await
            }
        }
    }

    fn plan(&self) -> Plan {
        Plan {
            workers: self.workers,
            limit: match (self.duration, self.calls) {
                (Some(limit), _) => limit,
                (None, calls) => Limit::Calls(calls.unwrap_or(DEFAULT_CALLS)),
            },
            rate: self.rate,
            grace: GRACE,
        }
    }
}

/// Runs the plan until it or somebody ends it, and prints the result.
async fn run(
    plan: &Plan,
    call: impl Call,
    mut progress: Box<dyn Progress>,
    session: &Session,
) -> Result<ExitCode, Error> {
    let (stopper, mut requests) = stop::channel();
    stopper.listen_to_signals().map_err(Error::Signals)?;
    if plan.limit == Limit::Never {
        // No call is late because there was nobody yet to call.
        tokio::select! {
            () = answers(&session.channel, session.timeout) => {}
            _cause = requests.next() => return Err(Error::Interrupted),
        }
    }
    let stop = CancellationToken::new();
    let running = load::run(plan, call, progress.as_mut(), &stop);
    tokio::pin!(running);
    let report = loop {
        tokio::select! {
            report = &mut running => break report,
            _cause = requests.next() => {
                if stop.is_cancelled() {
                    return Err(Error::Interrupted);
                }
                stop.cancel();
            }
        }
    };
    session.print(&load::json::Document::from(&report), |_| {
        load::table::report(&report)
    })?;
    Ok(verdict(&report))
}

/// A bar for people who watch, lines for logs; a JSON result is for a script, which gets neither
/// unless its standard error is watched, or it asks for lines.
fn progress(limit: Limit, format: Format, interval: Option<Duration>) -> Box<dyn Progress> {
    if std::io::stderr().is_terminal() {
        Box::new(Bar::new(limit))
    } else if let Some(interval) = interval {
        let lines = Lines::new(std::io::stderr());
        Box::new(lines.every(interval).format(format))
    } else if format == Format::Text || limit == Limit::Never {
        Box::new(Lines::new(std::io::stderr()))
    } else {
        Box::new(Silent)
    }
}

/// What is no time between two lines.
#[derive(Debug, thiserror::Error)]
#[error("expected a time of at least 10ms, such as 500ms, 5s or 1m")]
struct NotAnInterval;

fn interval(text: &str) -> Result<Duration, NotAnInterval> {
    let time: jiff::SignedDuration = text.parse().map_err(|_| NotAnInterval)?;
    let time = Duration::try_from(time).map_err(|_| NotAnInterval)?;
    (time >= Duration::from_millis(10))
        .then_some(time)
        .ok_or(NotAnInterval)
}

fn verdict(report: &Report) -> ExitCode {
    if report.calls() > 0 && report.failed() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
