//! The shapes of the server's runtime, with few connections and with many, round by round.
//!
//! The server has every core, and shares one of them with the load: where there are only two, what is
//! compared is how well a shape uses what is left.

use super::build::Programs;
use super::figures::Figures;
use super::ground::Ground;
use super::load::{Amount, Shape};
use super::process::Process;
use super::rows::{self, Row};
use super::{Error, Plan, servers};

/// How many connections there are, and how many calls at a time on each.
pub(super) const LOADS: [(u32, u32); 4] = [(1, 25), (3, 25), (12, 25), (1_000, 1)];

/// How many calls are made under each load. By time h2load does not end with a thousand connections: those that had
/// none yet begin when the others have ended (nghttp2 1.52).
const CALLS: u32 = 100_000;

/// What there is to say of a shape.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) name: String,
    /// For each of [`LOADS`]: processor time of a call in microseconds.
    pub(super) call: [Figures; LOADS.len()],
    /// And how many calls there were a second, to those of the first shape in the same round.
    pub(super) rate: [Figures; LOADS.len()],
}

/// Measures both, if they are wanted.
pub(super) fn compare(
    programs: &Programs,
    ground: &Ground,
    plan: &Plan,
) -> Result<Vec<Measured>, Error> {
    if !plan.wants("shapes") {
        return Ok(Vec::new());
    }
    let rows = rows::shapes();
    let mut all = rows.each_ref().map(|row| Measured::of(&row.name)).to_vec();
    for number in 1..=plan.rounds {
        for (row, measured) in rows.iter().zip(&mut all) {
            anstream::eprintln!("round {number} of {}: shapes, {}", plan.rounds, row.name);
            round(row, programs, ground, measured)?;
        }
    }
    let base = all.first().map(|it| it.rate.clone()).unwrap_or_default();
    for measured in &mut all {
        for (rate, base) in measured.rate.iter_mut().zip(&base) {
            *rate = rate.over(base);
        }
    }
    Ok(all)
}

fn round(
    row: &Row,
    programs: &Programs,
    ground: &Ground,
    measured: &mut Measured,
) -> Result<(), Error> {
    let mut server = Process::start(&row.name, &mut row.command(&programs.server, ground))?;
    server.answered(Row::address())?;
    servers::seed(row, programs, ground)?;
    let aim = row.unary(ground);
    for (place, (connections, streams)) in LOADS.into_iter().enumerate() {
        let shape = Shape {
            connections,
            streams,
            amount: Amount::Calls(CALLS),
        };
        let (each, rate) = servers::cost(&server, &aim, shape)?;
        measured.call[place].push(each);
        measured.rate[place].push(rate);
    }
    Ok(())
}

// === impl Measured ===

impl Measured {
    fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            call: Default::default(),
            rate: Default::default(),
        }
    }
}
