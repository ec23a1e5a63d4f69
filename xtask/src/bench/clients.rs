//! The clients, over three servers of bare tonic, round by round.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::build::Programs;
use super::figures::Figures;
use super::process::{LOADING, MEASURED, Process, pinned};
use super::{Error, Plan};

/// What every other row is divided by.
pub(super) const BASE: &str = "tonic Channel, 1 server";

/// How many calls are made at the same time.
pub(super) const CALLERS: [u32; 3] = [1, 10, 100];

const PORT: u16 = 21_195;

/// How many servers there are.
const SERVERS: u8 = 3;

/// What there is to say of a client.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) name: &'static str,
    /// Processor time of a call in microseconds, for each of [`CALLERS`].
    pub(super) call: [Figures; CALLERS.len()],
    /// To that of [`BASE`].
    pub(super) ratio: [Figures; CALLERS.len()],
}

/// A name, the kind that `bench-client` knows it by, and over how many servers.
struct Row(&'static str, Kind, u8);

enum Kind {
    Rust(&'static str),
    Go,
}

const ROWS: [Row; 5] = [
    Row(BASE, Kind::Rust("tonic"), 1),
    Row(
        "tonic balance_list, 3 servers",
        Kind::Rust("tonic-balance"),
        3,
    ),
    Row("ours, 1 server", Kind::Rust("grpc-channel"), 1),
    Row("ours, 3 servers", Kind::Rust("grpc-channel"), SERVERS),
    Row("grpc-go round_robin, 3 servers", Kind::Go, SERVERS),
];

/// Measures all rows that are wanted.
pub(super) fn compare(programs: &Programs, plan: &Plan) -> Result<Vec<Measured>, Error> {
    let addresses: Vec<_> = (1..=SERVERS).map(address).collect();
    let mut servers = Vec::new();
    for address in &addresses {
        let mut command = pinned(LOADING, &programs.bare_tonic);
        let mut server = Process::start("bare-tonic", command.arg(address.to_string()))?;
        server.answered(*address)?;
        servers.push(server);
    }
    let rows: Vec<_> = ROWS
        .iter()
        .filter(|row| row.0 == BASE || plan.wants(row.0))
        .filter(|row| matches!(row.1, Kind::Rust(_)) || programs.go.is_some())
        .collect();
    let mut all: Vec<_> = rows.iter().map(|row| Measured::of(row.0)).collect();
    for number in 1..=plan.rounds {
        anstream::eprintln!("round {number} of {}: clients", plan.rounds);
        for (place, callers) in CALLERS.iter().enumerate() {
            for (row, measured) in rows.iter().zip(&mut all) {
                let each = row.cost(programs, *callers, plan.length, &addresses)?;
                measured.call[place].push(each);
            }
        }
    }
    let base = all.first().map(|it| it.call.clone()).unwrap_or_default();
    for measured in &mut all {
        let calls = measured.call.iter().zip(&base);
        for (ratio, (call, base)) in measured.ratio.iter_mut().zip(calls) {
            *ratio = call.over(base);
        }
    }
    Ok(all)
}

fn address(server: u8) -> SocketAddr {
    ([127, 0, 0, server], PORT).into()
}

// === impl Measured ===

impl Measured {
    fn of(name: &'static str) -> Self {
        Self {
            name,
            call: Default::default(),
            ratio: Default::default(),
        }
    }
}

// === impl Row ===

impl Row {
    /// What a call costs, in microseconds.
    fn cost(
        &self,
        programs: &Programs,
        callers: u32,
        length: Duration,
        addresses: &[SocketAddr],
    ) -> Result<f64, Error> {
        let Self(name, kind, servers) = self;
        let mut command = match (kind, &programs.go) {
            (Kind::Rust(kind), _) => arguments(&programs.bench_client, kind),
            (Kind::Go, go) => arguments(go.as_ref().unwrap_or(&programs.bench_client), "client"),
        };
        command.args([callers.to_string(), length.as_secs().to_string()]);
        command.args(
            addresses
                .iter()
                .take((*servers).into())
                .map(ToString::to_string),
        );
        let output = command.output().map_err(|source| Error::Start {
            program: (*name).to_owned(),
            source,
        })?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            return Err(Error::Failed {
                program: (*name).to_owned(),
                status: output.status,
                output: String::from_utf8_lossy(&output.stderr).into_owned(),
            });
        }
        let figures: Vec<u64> = text
            .split_whitespace()
            .filter_map(|it| it.parse().ok())
            .collect();
        match figures[..] {
            [calls, spent, 0] if calls > 0 => {
                let calls = f64::from(u32::try_from(calls).unwrap_or(u32::MAX));
                Ok(Duration::from_micros(spent).as_secs_f64() * 1e6 / calls)
            }
            [calls, _, failed] => Err(Error::Calls {
                program: (*name).to_owned(),
                failed,
                calls,
            }),
            _ => Err(Error::Output {
                program: (*name).to_owned(),
                expected: "calls, microseconds and failures",
                output: text,
            }),
        }
    }
}

fn arguments(program: &Path, kind: &str) -> Command {
    let mut command = pinned(MEASURED, program);
    command.env_clear().arg(kind);
    command
}
