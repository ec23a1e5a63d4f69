//! The server, and bare tonic beside it, with more and more connections.

use std::thread::sleep;
use std::time::Duration;

use super::load::Connections;
use super::{ALONE, BUSY, Calls, Error};
use crate::bench::build::Programs;
use crate::bench::figures::Figures;
use crate::bench::ground::Ground;
use crate::bench::process::Process;
use crate::bench::rows::{self, BASE, OURS, Row};
use crate::bench::servers;

/// How many connections there are.
const CONNECTIONS: [u32; 5] = [1, 10, 100, 1_000, 10_000];

/// What has been freed is given back meanwhile.
const REST: Duration = Duration::from_secs(1);

/// How long connections are only pinged, once a second.
const PINGED: u32 = 5;

/// Everything that was measured at servers.
pub(super) struct Comparison {
    /// How many connections there are in each row.
    pub(super) connections: Vec<u32>,
    pub(super) ours: Vec<Point>,
    pub(super) tonic: Vec<Point>,
    /// Processor time of a keepalive ping over an idle connection, in microseconds.
    pub(super) ping: Figures,
}

/// What there is to say of one number of connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Point {
    /// Processor time of a call, in microseconds: one call at a time.
    pub(super) alone: Figures,
    /// The same with as many at a time as [`BUSY`] says.
    pub(super) busy: Figures,
    /// Processor time of a new connection with its first call, in microseconds.
    pub(super) connect: Figures,
    /// What an idle connection holds of the memory, in KiB.
    pub(super) memory: Figures,
}

// === impl Comparison ===

impl Comparison {
    pub(super) fn new(most: u32) -> Self {
        let connections: Vec<_> = CONNECTIONS.into_iter().filter(|it| *it <= most).collect();
        let points = vec![Point::default(); connections.len()];
        Self {
            connections,
            ours: points.clone(),
            tonic: points,
            ping: Figures::default(),
        }
    }

    /// Every number of connections once, at both servers.
    pub(super) fn round(&mut self, programs: &Programs, ground: &Ground) -> Result<(), Error> {
        let rows = rows::all();
        let row = |name: &str| rows.iter().find(|row| row.name == name);
        let (Some(tonic), Some(ours)) = (row(BASE), row(OURS)) else {
            unreachable!("both are among the rows");
        };
        for (place, count) in self.connections.iter().copied().enumerate() {
            anstream::eprintln!("  {count} connections");
            point(tonic, count, programs, ground, &mut self.tonic[place])?;
            point(ours, count, programs, ground, &mut self.ours[place])?;
        }
        if let Some(most) = self.connections.last() {
            self.ping.push(ping(ours, *most, programs, ground)?);
        }
        Ok(())
    }
}

/// A fresh server with so many connections.
fn point(
    row: &Row,
    count: u32,
    programs: &Programs,
    ground: &Ground,
    point: &mut Point,
) -> Result<(), Error> {
    let server = start(row, &[], programs, ground)?;
    let aim = row.unary(ground);
    // What is made once, at the first calls, is not what a connection holds.
    let few = Calls {
        calls: 2_000,
        ..BUSY
    };
    Connections::open(&programs.connections, &aim, 1)?.call(&aim, few)?;
    sleep(REST);

    let (memory, before) = (server.resident()?, server.cpu()?);
    let mut connections = Connections::open(&programs.connections, &aim, count)?;
    let spent = server.cpu()?.saturating_sub(before);
    point.connect.push(micros(spent) / f64::from(count));
    sleep(REST);
    let grown = (server.resident()? - memory) * 1_024.0;
    point.memory.push(grown / f64::from(count));

    for (wanted, figures) in [(ALONE, &mut point.alone), (BUSY, &mut point.busy)] {
        let before = server.cpu()?;
        connections.call(&aim, wanted)?;
        let spent = server.cpu()?.saturating_sub(before);
        figures.push(micros(spent) / f64::from(wanted.calls));
    }
    Ok(())
}

/// What a ping costs where all connections are idle and each is pinged once a second.
fn ping(row: &Row, count: u32, programs: &Programs, ground: &Ground) -> Result<f64, Error> {
    let every_second = ["--set", "server.keepalive_interval=1s"];
    let server = start(row, &every_second, programs, ground)?;
    let _connections = Connections::open(&programs.connections, &row.unary(ground), count)?;
    sleep(REST);
    let before = server.cpu()?;
    sleep(Duration::from_secs(PINGED.into()));
    let spent = server.cpu()?.saturating_sub(before);
    Ok(micros(spent) / f64::from(count * PINGED))
}

fn start(row: &Row, more: &[&str], programs: &Programs, ground: &Ground) -> Result<Process, Error> {
    let program = row.program(programs).unwrap_or(&programs.server);
    let mut command = row.command(program, ground);
    if row.is_ours() {
        // Beside those that are counted there is the one that asked whether it answers.
        command
            .args(["--set", "server.max_connections=20000"])
            .args(more);
    }
    let mut server = Process::start(&row.name, &mut command)?;
    server.answered(Row::address())?;
    if row.is_ours() {
        servers::seed(row, programs, ground)?;
    }
    Ok(server)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
