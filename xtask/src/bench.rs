//! `cargo xtask bench`: what a call costs this server and this channel, beside those of others.
//!
//! Every row is another process that does the same: it reads a record by its id. The servers run on one
//! core and the load on another; all rows take turns, round after round, because what a shared machine
//! gives changes from minute to minute. What is quoted is the ratio to bare tonic of the same round.

mod build;
mod clients;
mod error;
mod figures;
mod ground;
mod load;
mod machine;
mod plot;
mod process;
mod report;
mod rows;
mod scale;
mod servers;
mod shapes;
mod token;
mod variants;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use service_runtime::chain::Chain;

pub(crate) use self::error::Error;
use self::variants::Variant;

/// What a developer may choose.
#[derive(Args, Clone, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Needs Linux with two cores or more, h2load (Debian: the package nghttp2-client) and taskset.
Without Go the rows of grpc-go are left out. What is measured is built with the release profile.

Examples:
  cargo xtask bench
  cargo xtask bench --rounds 9 --only tonic,ours
  cargo xtask bench --variant 'Nagle: server.tcp_nodelay=false'
  cargo xtask bench --smoke
  cargo xtask bench scale"
)]
pub(crate) struct Options {
    #[command(subcommand)]
    instead: Option<Instead>,
    /// How many rounds; the median, the least and the most are shown.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// For how many seconds a row is loaded in a round.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Only the rows whose names hold one of these texts; bare tonic is always there.
    #[arg(long, value_name = "TEXT", value_delimiter = ',')]
    only: Vec<String>,
    /// Another build of the server, or other settings of it: a row beside the server as it is and bare tonic, and no
    /// others unless they are asked for; keeps no results.
    #[arg(long = "variant", value_name = "NAME: WORDS")]
    variants: Vec<Variant>,
    /// One short round of what is built quickly, which proves that everything runs and says nothing of speed; keeps
    /// no results.
    #[arg(long)]
    smoke: bool,
    /// Leave out the clients.
    #[arg(long)]
    no_clients: bool,
}

/// What else can be measured.
#[derive(Clone, Debug, Subcommand)]
enum Instead {
    /// How the cost grows with the connections of the server and the replicas of the channel.
    Scale(scale::Options),
}

/// How much is measured.
#[derive(Clone, Debug)]
struct Plan {
    rounds: u16,
    length: Duration,
    only: Vec<String>,
    variants: Vec<Variant>,
    clients: bool,
}

/// The folder of the peers, and of the results.
const FOLDER: &str = "bench";

/// Measures, prints the tables, and keeps them.
pub(crate) fn run(options: &Options) -> ExitCode {
    let measured = match &options.instead {
        None => measure(options),
        Some(Instead::Scale(options)) => scale::measure(options),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {}", Chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<(), Error> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let plan = Plan::of(options);
    load::find()?;
    let profile = if options.smoke {
        build::Profile::Dev
    } else {
        build::Profile::Release
    };
    let programs = build::all(&root, profile)?;
    let ground = ground::Ground::prepare(&root)?;
    let servers = servers::compare(&programs, &ground, &plan)?;
    let shapes = shapes::compare(&programs, &ground, &plan)?;
    let clients = if plan.clients {
        clients::compare(&programs, &plan)?
    } else {
        Vec::new()
    };
    let report = report::Report {
        machine: machine::describe(),
        rounds: plan.rounds,
        length: plan.length,
        servers,
        shapes,
        clients,
    };
    let text = report.to_string();
    anstream::print!("{text}");
    if options.smoke || !plan.only.is_empty() || !plan.variants.is_empty() {
        return Ok(());
    }
    let path = root.join(FOLDER).join("RESULTS.md");
    std::fs::write(&path, text).map_err(|source| Error::File { path, source })
}

// === impl Plan ===

impl Plan {
    fn of(options: &Options) -> Self {
        let (rounds, seconds) = if options.smoke {
            (1, 1)
        } else {
            (options.rounds, options.seconds)
        };
        Self {
            rounds,
            length: Duration::from_secs(seconds),
            only: options.only.clone(),
            variants: options.variants.clone(),
            clients: !options.no_clients && options.variants.is_empty(),
        }
    }

    /// Whether the row of this name is wanted.
    fn wants(&self, name: &str) -> bool {
        if self.only.is_empty() {
            return self.variants.is_empty() || name == rows::OURS;
        }
        self.only.iter().any(|text| name.contains(text.as_str()))
    }
}
