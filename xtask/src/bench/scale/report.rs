//! The tables, as Markdown: on the terminal and in `bench/SCALE.md`.

use std::fmt;

use super::channel::Growth;
use super::server::{Comparison, Point};
use super::{ALONE, BUSY};
use crate::bench::figures::Figures;
use crate::bench::machine::Machine;

/// Everything that was measured.
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) rounds: u16,
    pub(super) servers: Comparison,
    pub(super) channel: Growth,
}

/// With fewer connections, what each costs is less than a tick of the kernel's clock, and the memory is what the
/// calls before have left.
const FEWEST_CONNECTIONS: u32 = 1_000;

/// With fewer replicas, the memory is that of the first allocations.
const FEWEST_REPLICAS: u32 = 100;

fn median(figures: &Figures, digits: usize) -> String {
    let median = figures.median();
    median.map_or_else(|| "–".to_owned(), |it| format!("{it:.digits$}"))
}

fn ratio(figures: &Figures, base: &Figures) -> String {
    let spread = figures.over(base).spread();
    spread.map_or_else(|| "–".to_owned(), |it| it.to_string())
}

// === impl Report ===

impl Report {
    fn calls(
        &self,
        f: &mut fmt::Formatter<'_>,
        name: &str,
        cost: fn(&Point) -> &Figures,
    ) -> fmt::Result {
        writeln!(
            f,
            "| connections, {name} | ours, µs | to the first row | bare tonic, µs | to the first row | ours to bare tonic |"
        )?;
        writeln!(f, "|--:|--:|--:|--:|--:|--:|")?;
        let Comparison {
            connections,
            ours,
            tonic,
            ..
        } = &self.servers;
        let (Some(first), Some(first_tonic)) = (ours.first(), tonic.first()) else {
            return Ok(());
        };
        for ((count, ours), tonic) in connections.iter().zip(ours).zip(tonic) {
            writeln!(
                f,
                "| {count} | {} | {} | {} | {} | {} |",
                median(cost(ours), 1),
                ratio(cost(ours), cost(first)),
                median(cost(tonic), 1),
                ratio(cost(tonic), cost(first_tonic)),
                ratio(cost(ours), cost(tonic)),
            )?;
        }
        writeln!(f)
    }

    fn servers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## Server\n")?;
        writeln!(
            f,
            "Processor time of a unary call. The calls go over all connections in turn: {} one at a time, then {} \
             with {} at a time; `bench/src/bin/connections.rs` makes them.\n",
            ALONE.calls, BUSY.calls, BUSY.callers
        )?;
        self.calls(f, "one call at a time", |it| &it.alone)?;
        self.calls(f, &format!("{} at a time", BUSY.callers), |it| &it.busy)?;
        writeln!(
            f,
            "Resident memory of an idle connection that has had a call, and processor time of a new one with \
             its first call (plaintext). The kernel's memory of a socket is not in it.\n"
        )?;
        writeln!(
            f,
            "| connections | ours, KiB each | bare tonic, KiB each | ours, µs each | bare tonic, µs each | ratio |"
        )?;
        writeln!(f, "|--:|--:|--:|--:|--:|--:|")?;
        let Comparison {
            connections,
            ours,
            tonic,
            ping,
        } = &self.servers;
        for ((count, ours), tonic) in connections.iter().zip(ours).zip(tonic) {
            if *count < FEWEST_CONNECTIONS {
                continue;
            }
            writeln!(
                f,
                "| {count} | {} | {} | {} | {} | {} |",
                median(&ours.memory, 1),
                median(&tonic.memory, 1),
                median(&ours.connect, 0),
                median(&tonic.connect, 0),
                ratio(&ours.connect, &tonic.connect),
            )?;
        }
        writeln!(
            f,
            "\nA keepalive ping of an idle connection costs {} µs of processor time, over the most connections \
             with one a second each.",
            median(ping, 1)
        )
    }

    fn channel(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n## Channel\n")?;
        writeln!(
            f,
            "The client's processor time of a unary call under `round_robin`, all replicas READY; resident memory \
             of an idle subchannel with its connection.\n"
        )?;
        writeln!(
            f,
            "| replicas | one at a time, µs | to the first row | {} at a time, µs | to the first row | KiB each |",
            BUSY.callers
        )?;
        writeln!(f, "|--:|--:|--:|--:|--:|--:|")?;
        let Some(first) = self.channel.points.first() else {
            return Ok(());
        };
        for it in &self.channel.points {
            let memory = (it.used() >= FEWEST_REPLICAS).then_some(&it.memory);
            writeln!(
                f,
                "| {} | {} | {} | {} | {} | {} |",
                it.name(),
                median(&it.alone, 1),
                ratio(&it.alone, &first.alone),
                median(&it.busy, 1),
                ratio(&it.busy, &first.busy),
                memory.map_or_else(|| "–".to_owned(), |it| median(it, 1)),
            )?;
        }
        writeln!(
            f,
            "\nFrom the name: to the answer of the first call, and to a connection to each. An update is a list in \
             which one address is another: how long until a picker is made of it, and the processor time together \
             with the new connection.\n"
        )?;
        writeln!(
            f,
            "| replicas | first call, ms | all READY, ms | connection, µs of CPU each | update, ms | update, ms of CPU |"
        )?;
        writeln!(f, "|--:|--:|--:|--:|--:|--:|")?;
        for it in &self.channel.points {
            writeln!(
                f,
                "| {} | {} | {} | {} | {} | {} |",
                it.name(),
                median(&it.first, 1),
                median(&it.ready, 1),
                median(&it.connect, 0),
                median(&it.update, 2),
                median(&it.update_cost, 2),
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# What a call costs when there are many connections\n")?;
        writeln!(
            f,
            "By `cargo xtask bench scale`: medians of {} interleaved rounds, ratios as median (least–most). What is \
             behind them: [docs/performance.md](../docs/performance.md#scale).\n",
            self.rounds
        )?;
        writeln!(f, "{}", self.machine)?;
        self.servers(f)?;
        self.channel(f)
    }
}

// === impl Point ===

impl super::channel::Point {
    fn name(&self) -> String {
        match self.subset {
            None => self.replicas.to_string(),
            Some(subset) => format!("{}, a subset of {subset}", self.replicas),
        }
    }
}
