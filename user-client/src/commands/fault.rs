//! `fault`: trouble on purpose, set, shown and cleared on every replica.

use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgAction, Args, Subcommand};
use futures_util::stream::{self, StreamExt as _};
use service_runtime::faults;

use crate::error::Error;
use crate::fault::{Answer, Answers, Order, Place, ask, places};
use crate::output::{self, Format};
use crate::settings::{self, Overrides};

/// How many replicas are asked at the same time.
const AT_ONCE: usize = 64;

/// Make calls slow or fail on purpose, for a rehearsal of ejections, retries and alerts.
///
/// A fault is set on the ops listeners of the replicas, which take it only when their settings say
/// faults.enabled = true. It ends by itself.
#[derive(Args, Debug)]
#[command(after_help = "\
Without --ops-address every replica is asked that the target leads to, each on its port 9090, or
--ops-port. The ops port is in no Service: from outside of the cluster forward it for each pod.

The exit code is 0 when every replica did it, and 1 when one did not.

Examples:
  user-client fault set --method GetUser --delay 200ms --ratio 0.1
  user-client fault set --method '*' --code UNAVAILABLE --ratio 0.05 --for 5m
  user-client fault list --target dns:///user-server-headless.default.svc.cluster.local.:50051
  user-client fault clear --ops-address localhost:9091 --ops-address localhost:9092

docs/faults.md shows an ejection, a retry budget, an alert and the dashboard at work.")]
pub struct Fault {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Set(Set),
    List(List),
    Clear(Clear),
}

/// Set a fault, in the place of the one that the method had.
///
/// A call that meets it waits for the delay, if there is one, and then gets the status or is cut off,
/// or else is answered as ever.
#[derive(Args, Debug)]
#[command(after_help = "\
A fault is met behind authentication and limits: only callers that may call the method meet it, and
a delayed call holds a place among those that run. '*' stands for all methods that have no fault of
their own, without health and reflection, which are to be named.")]
struct Set {
    /// Whose calls: the method's name, also as package.Service/Method, or '*' for all.
    #[arg(long)]
    method: String,
    /// Which share of the calls: more than 0, at most 1.
    #[arg(long, default_value_t = 1.0)]
    ratio: f64,
    /// How long a call waits: 50ms, 2s, at most 1h.
    #[arg(long, value_name = "TIME", value_parser = time, required_unless_present_any = ["code", "abort"])]
    delay: Option<Duration>,
    /// The status that a call ends with: UNAVAILABLE, INTERNAL, any but OK.
    #[arg(long, value_parser = |text: &str| faults::Fault::code_of(text), conflicts_with = "abort")]
    code: Option<tonic::Code>,
    /// Reset the stream of a call, as a handler that dies does.
    #[arg(long)]
    abort: bool,
    /// After what time the fault ends by itself: 30s, 1h, at most 24h, or off.
    #[arg(long = "for", value_name = "TIME", value_parser = lasts, default_value = "10m")]
    lasts: Lasts,
    #[command(flatten)]
    replicas: Replicas,
}

/// Show the faults that are set, and how many calls have met each.
#[derive(Args, Debug)]
struct List {
    #[command(flatten)]
    replicas: Replicas,
}

/// End faults. What is not set is ended already.
#[derive(Args, Debug)]
struct Clear {
    /// Whose fault, as it was set; without it, all of them.
    #[arg(long)]
    method: Option<String>,
    #[command(flatten)]
    replicas: Replicas,
}

/// Who is asked.
#[derive(Args, Debug)]
struct Replicas {
    /// An ops listener, instead of those of the target's replicas; may be repeated.
    #[arg(long, value_name = "HOST:PORT", action = ArgAction::Append)]
    ops_address: Vec<String>,
    /// The port of the ops listener of every replica that the target leads to.
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 9090,
        conflicts_with = "ops_address"
    )]
    ops_port: u16,
}

/// For how long; `None` until it is cleared.
#[derive(Clone, Copy, Debug)]
struct Lasts(Option<Duration>);

// === impl Fault ===

impl Fault {
    pub(super) async fn run(self, overrides: Overrides, format: Format) -> Result<ExitCode, Error> {
        let settings = settings::load(overrides).map_err(Error::Settings)?.settings;
        service_runtime::logs::init(&settings.log).map_err(Error::Logs)?;
        let (order, replicas) = self.action.order()?;
        let places = places(&settings, &replicas.ops_address, replicas.ops_port).await?;
        let asked = stream::iter(places).map(|place| answer(place, &order, settings.timeout));
        let answers = asked.buffered(AT_ONCE).collect().await;
        let answers = Answers::new(order, answers);
        output::print(format, &answers, Answers::text)?;
        Ok(if answers.is_done() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

async fn answer(place: Place, order: &Order, bound: Duration) -> Answer {
    let result = ask(&place, order, bound).await;
    Answer { place, result }
}

// === impl Action ===

impl Action {
    fn order(self) -> Result<(Order, Replicas), Error> {
        Ok(match self {
            Self::Set(set) => {
                let fault = faults::Fault {
                    ratio: set.ratio,
                    delay: set.delay.unwrap_or_default(),
                    code: set.code,
                    abort: set.abort,
                    lasts: set.lasts.0,
                };
                fault.validate().map_err(Error::Fault)?;
                (Order::Set(set.method, fault), set.replicas)
            }
            Self::List(list) => (Order::List, list.replicas),
            Self::Clear(clear) => (Order::Clear(clear.method), clear.replicas),
        })
    }
}

/// What is no time.
#[derive(Debug, thiserror::Error)]
#[error("expected a time with its unit, such as 200ms, 5s or 10m")]
struct NotATime;

fn time(text: &str) -> Result<Duration, NotATime> {
    let time: jiff::SignedDuration = text.parse().map_err(|_| NotATime)?;
    Duration::try_from(time).map_err(|_| NotATime)
}

fn lasts(text: &str) -> Result<Lasts, NotATime> {
    match text {
        "off" => Ok(Lasts(None)),
        _ => time(text).map(|it| Lasts(Some(it))),
    }
}
