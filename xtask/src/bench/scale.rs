//! `cargo xtask bench scale`: what a call, a connection and a replica cost when there are many of them.
//!
//! The server gets more and more connections, and the channel more and more replicas; bare tonic takes
//! turns with the server, and each is also compared with itself at the smallest number in the same round.

mod channel;
mod load;
mod open_files;
mod picture;
mod report;
mod server;

use std::path::Path;

use clap::Args;

use super::{Error, FOLDER, build, ground, machine};

/// What a developer may choose.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Needs what `cargo xtask bench` needs, and as many open files as connections (ulimit -Hn).
Three rounds take some five minutes.

Examples:
  cargo xtask bench scale
  cargo xtask bench scale --rounds 1 --most 1000")]
pub(crate) struct Options {
    /// How many rounds; the median, the least and the most are shown.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// The most connections and the most replicas; with fewer than 10,000 no results are kept.
    #[arg(long, default_value_t = MOST, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    most: u32,
    /// Only sees that everything runs: few connections, a single round, and nothing optimised.
    #[arg(long, conflicts_with_all = ["rounds", "most"])]
    smoke: bool,
}

/// How many connections and replicas there are in the last row.
const MOST: u32 = 10_000;

/// And where it is only seen that everything runs.
const FEW: u32 = 10;

/// What a process opens beside its connections.
const BESIDE: u32 = 200;

/// One call at a time: three over each of the most connections, and more than a second of processor time.
const ALONE: Calls = Calls {
    calls: 30_000,
    callers: 1,
};

/// As many at a time as in the other comparisons. Each is cheaper, so there are more.
const BUSY: Calls = Calls {
    calls: 60_000,
    callers: 100,
};

/// How much is asked for.
#[derive(Clone, Copy, Debug)]
struct Calls {
    calls: u32,
    /// How many are made at the same time.
    callers: u32,
}

/// Measures, prints the tables, and keeps them.
pub(super) fn measure(options: &Options) -> Result<(), Error> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    super::load::find()?;
    let (rounds, most) = if options.smoke {
        (1, FEW)
    } else {
        (options.rounds, options.most)
    };
    open_files::allow(most + BESIDE)?;
    let profile = if options.smoke {
        build::Profile::Dev
    } else {
        build::Profile::Release
    };
    let programs = build::all(&root, profile)?;
    let ground = ground::Ground::prepare(&root)?;
    let mut servers = server::Comparison::new(most);
    let mut channel = channel::Growth::new(most);
    for number in 1..=rounds {
        anstream::eprintln!("round {number} of {rounds}");
        servers.round(&programs, &ground)?;
        channel.round(&programs)?;
    }
    let report = report::Report {
        machine: machine::describe(),
        rounds,
        servers,
        channel,
    };
    let text = report.to_string();
    anstream::print!("{text}");
    if most < MOST {
        return Ok(());
    }
    let picture = picture::draw(&report.servers, &report.channel);
    for (name, content) in [("SCALE.md", text), ("scale.svg", picture)] {
        let path = root.join(FOLDER).join(name);
        std::fs::write(&path, content).map_err(|source| Error::File { path, source })?;
    }
    Ok(())
}
