//! The servers, row by row and round by round.

use std::process::Command;
use std::time::Duration;

use super::build::Programs;
use super::figures::Figures;
use super::ground::{Ground, QUESTIONS};
use super::load::{self, Aim, Amount, Shape};
use super::process::Process;
use super::rows::{self, BASE, Row};
use super::token::Algorithm;
use super::{Error, Plan};

/// As the issue of every comparison has it: 4 connections with 25 calls on each.
const CONNECTIONS: u32 = 4;
const STREAMS: u32 = 25;

/// The fixed rate on each connection, which every row can take.
const RATE: u32 = 2_000;

/// How many connections are made anew.
const NEW: u32 = 500;

/// What there is to say of a server.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    pub(super) name: String,
    /// Processor time of a call, in microseconds.
    pub(super) call: Figures,
    /// To that of [`BASE`] in the same round.
    pub(super) ratio: Figures,
    /// The same with one call at a time on one connection.
    pub(super) alone: Figures,
    /// Calls a second.
    pub(super) rate: Figures,
    /// In microseconds, at the fixed rate.
    pub(super) p50: Figures,
    pub(super) p99: Figures,
    /// Processor time of a question and its answer in a stream, in microseconds.
    pub(super) message: Figures,
    /// Processor time of a connection with one call, in microseconds.
    pub(super) connection: Figures,
    /// In MiB.
    pub(super) idle: Figures,
    pub(super) loaded: Figures,
    /// From exec to the first answer, in milliseconds.
    pub(super) start: Figures,
    /// Of the program, in MiB.
    pub(super) size: f64,
}

/// Measures all rows that are wanted.
pub(super) fn compare(
    programs: &Programs,
    ground: &Ground,
    plan: &Plan,
) -> Result<Vec<Measured>, Error> {
    let rows: Vec<_> = rows::all()
        .into_iter()
        .filter(|row| row.name == BASE || plan.wants(&row.name))
        .chain(plan.variants.iter().map(Row::of))
        .filter(|row| row.program(programs).is_some())
        .collect();
    let mut all: Vec<_> = rows.iter().map(|row| Measured::of(&row.name)).collect();
    for number in 1..=plan.rounds {
        for (row, measured) in rows.iter().zip(&mut all) {
            anstream::eprintln!("round {number} of {}: {}", plan.rounds, row.name);
            round(row, programs, ground, plan.length, measured)?;
        }
    }
    let base = all.first().map(|it| it.call.clone()).unwrap_or_default();
    for measured in &mut all {
        measured.ratio = measured.call.over(&base);
    }
    Ok(all)
}

fn round(
    row: &Row,
    programs: &Programs,
    ground: &Ground,
    length: Duration,
    measured: &mut Measured,
) -> Result<(), Error> {
    let Some(program) = row.program(programs) else {
        return Ok(());
    };
    let size = std::fs::metadata(program).map_err(|source| Error::File {
        path: program.clone(),
        source,
    })?;
    measured.size = mebibytes(size.len());
    let mut server = Process::start(&row.name, &mut row.command(program, ground))?;
    let start = server.answered(Row::address())?;
    measured.start.push(start.as_secs_f64() * 1e3);
    if row.is_ours() {
        seed(row, programs, ground)?;
    }
    measured.idle.push(server.resident()?);
    let (unary, stream) = (row.unary(ground), row.stream(ground));
    let shape = |connections, streams, amount| Shape {
        connections,
        streams,
        amount,
    };
    let busy = |amount| shape(CONNECTIONS, STREAMS, amount);

    load::run(&unary, busy(Amount::Calls(20_000)))?;
    let (each, rate) = cost(&server, &unary, busy(Amount::For(length)))?;
    measured.call.push(each);
    measured.rate.push(rate);
    measured.loaded.push(server.resident()?);

    let (each, _) = cost(&server, &unary, shape(1, 1, Amount::For(length)))?;
    measured.alone.push(each);

    let log = ground.path("latencies");
    let times = load::latencies(&unary, busy(Amount::Rate(RATE, length)), &log)?;
    measured.p50.push(percentile(&times, 50));
    measured.p99.push(percentile(&times, 99));

    let (each, _) = cost(
        &server,
        &stream,
        shape(CONNECTIONS, 1, Amount::Calls(2_000)),
    )?;
    measured.message.push(each / count(QUESTIONS));
    let (each, _) = cost(&server, &unary, shape(NEW, 1, Amount::Calls(NEW)))?;
    measured.connection.push(each);
    Ok(())
}

/// What a call costs the server in microseconds, and how many there were a second.
pub(super) fn cost(server: &Process, aim: &Aim, shape: Shape) -> Result<(f64, f64), Error> {
    let before = server.cpu()?;
    let loaded = load::run(aim, shape)?;
    let spent = server.cpu()?.saturating_sub(before);
    Ok((
        spent.as_secs_f64() * 1e6 / loaded.calls_as_float(),
        loaded.rate,
    ))
}

/// Makes the record that is asked for.
pub(super) fn seed(row: &Row, programs: &Programs, ground: &Ground) -> Result<(), Error> {
    let name = "user-client create";
    let mut command = Command::new(&programs.client);
    command.env_clear().current_dir(ground.folder());
    command.args(["--target", &format!("ipv4:{}", Row::address())]);
    command.args(["--bearer-token-file", Algorithm::Hs256.file()]);
    if row.unary(ground).tls {
        command.args([
            "--tls",
            "--tls-ca",
            "tls/ca.crt",
            "--tls-server-name",
            "user-server",
        ]);
    } else {
        command.arg("--insecure-credentials-over-plaintext");
    }
    command.args(["--wait-for-ready", "--output", "json", "create"]);
    command.args([
        "--display-name",
        "Ada Lovelace",
        "--email",
        "ada@example.com",
        "--age",
        "36",
    ]);
    let output = command.output().map_err(|source| Error::Start {
        program: name.to_owned(),
        source,
    })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Err(Error::Failed {
            program: name.to_owned(),
            status: output.status,
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    let record: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let id = record.as_ref().and_then(|it| it.get("id")?.as_str());
    let id = id.ok_or_else(|| Error::Output {
        program: name.to_owned(),
        expected: "an id",
        output: text.clone(),
    })?;
    ground.requests("ours", id)
}

/// Of sorted times.
fn percentile(times: &[u64], percent: usize) -> f64 {
    let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    let time = times.get(place).copied().unwrap_or_default();
    Duration::from_micros(time).as_secs_f64() * 1e6
}

fn mebibytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) / 1024.0
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

// === impl Measured ===

impl Measured {
    fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }
}
