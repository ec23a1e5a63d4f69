//! The channel with more and more replicas: `bench/src/bin/replicas.rs` against one server of bare tonic
//! that has ten thousand addresses.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::{ALONE, BUSY, Error};
use crate::bench::build::Programs;
use crate::bench::figures::Figures;
use crate::bench::process::{LOADING, MEASURED, Process, pinned};

const PROGRAM: &str = "replicas";

const PORT: u16 = 21_197;

/// How many replicas there are, and how many of them are used; `None` is all.
const REPLICAS: [(u32, Option<u32>); 6] = [
    (3, None),
    (10, None),
    (100, None),
    (1_000, None),
    (10_000, None),
    (10_000, Some(20)),
];

/// Everything that was measured at the channel.
pub(super) struct Growth {
    pub(super) points: Vec<Point>,
}

/// What there is to say of one number of replicas.
#[derive(Clone, Debug, Default)]
pub(super) struct Point {
    pub(super) replicas: u32,
    /// How many of them are used; `None` is all.
    pub(super) subset: Option<u32>,
    /// Processor time of a call, in microseconds: one call at a time.
    pub(super) alone: Figures,
    /// The same with as many at a time as [`BUSY`] says.
    pub(super) busy: Figures,
    /// What a subchannel holds of the memory, in KiB.
    pub(super) memory: Figures,
    /// From the name to the answer of the first call, in milliseconds.
    pub(super) first: Figures,
    /// From the name to a connection to each, in milliseconds.
    pub(super) ready: Figures,
    /// Processor time of each of these connections, in microseconds.
    pub(super) connect: Figures,
    /// How long it takes to use a list in which one address is another, in milliseconds.
    pub(super) update: Figures,
    /// Processor time of the same with the new connection, in milliseconds.
    pub(super) update_cost: Figures,
}

// === impl Growth ===

impl Growth {
    pub(super) fn new(most: u32) -> Self {
        let wanted = REPLICAS
            .into_iter()
            .filter(|(replicas, _)| *replicas <= most);
        let points = wanted.map(|(replicas, subset)| Point {
            replicas,
            subset,
            ..Point::default()
        });
        Self {
            points: points.collect(),
        }
    }

    /// Every number of replicas once.
    pub(super) fn round(&mut self, programs: &Programs) -> Result<(), Error> {
        for point in &mut self.points {
            anstream::eprintln!("  {} replicas", point.replicas);
            let all: SocketAddr = ([0, 0, 0, 0], PORT).into();
            let mut command = pinned(LOADING, &programs.bare_tonic);
            let mut server = Process::start("bare-tonic", command.arg(all.to_string()))?;
            server.answered(([127, 0, 0, 1], PORT).into())?;
            point.measure(programs)?;
        }
        Ok(())
    }
}

// === impl Point ===

impl Point {
    /// How many subchannels there are.
    pub(super) fn used(&self) -> u32 {
        self.subset.unwrap_or(self.replicas)
    }

    fn measure(&mut self, programs: &Programs) -> Result<(), Error> {
        let mut command = pinned(MEASURED, &programs.replicas);
        let subset = self.subset.unwrap_or(0);
        let arguments = [
            PORT.into(),
            self.replicas,
            subset,
            ALONE.calls,
            BUSY.calls,
            BUSY.callers,
        ];
        command.env_clear().args(arguments.map(|it| it.to_string()));
        let output = command.output().map_err(|source| Error::Start {
            program: PROGRAM.to_owned(),
            source,
        })?;
        if !output.status.success() {
            return Err(Error::Failed {
                program: PROGRAM.to_owned(),
                status: output.status,
                output: String::from_utf8_lossy(&output.stderr).into_owned(),
            });
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let found = figures(&text);
        let used = f64::from(self.used());
        for (name, unit, figures) in [
            ("alone_us", 1.0, &mut self.alone),
            ("busy_us", 1.0, &mut self.busy),
            ("bytes", 1_024.0 * used, &mut self.memory),
            ("first_call_us", 1e3, &mut self.first),
            ("all_ready_us", 1e3, &mut self.ready),
            ("connect_cpu_us", used, &mut self.connect),
            ("update_us", 1e3, &mut self.update),
            ("update_cpu_us", 1e3, &mut self.update_cost),
        ] {
            let figure = found.get(name).ok_or_else(|| Error::Output {
                program: PROGRAM.to_owned(),
                expected: name,
                output: text.clone(),
            })?;
            figures.push(figure / unit);
        }
        Ok(())
    }
}

/// A name and a number on each line.
fn figures(text: &str) -> HashMap<&str, f64> {
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs
        .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_names() {
        let found = figures("bytes 2048.000\nalone_us 31.500\nnonsense\nbusy_us much\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found.get("alone_us"), Some(&31.5));
    }

    #[test]
    fn fewer_are_measured_where_fewer_are_wanted() {
        let counts = |most| -> Vec<_> {
            let points = Growth::new(most).points;
            points.iter().map(|it| (it.replicas, it.used())).collect()
        };
        assert_eq!(counts(99), [(3, 3), (10, 10)]);
        assert_eq!(counts(10_000).last(), Some(&(10_000, 20)));
    }
}
