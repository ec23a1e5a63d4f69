//! The tables, as Markdown: on the terminal and in `bench/RESULTS.md`.

use std::fmt;
use std::time::Duration;

use super::clients::{self, CALLERS};
use super::figures::Figures;
use super::machine::Machine;
use super::{servers, shapes};

/// Everything that was measured.
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) rounds: u16,
    pub(super) length: Duration,
    pub(super) servers: Vec<servers::Measured>,
    pub(super) shapes: Vec<shapes::Measured>,
    pub(super) clients: Vec<clients::Measured>,
}

fn median(figures: &Figures, digits: usize) -> String {
    let median = figures.median();
    median.map_or_else(|| "–".to_owned(), |it| format!("{it:.digits$}"))
}

fn spread(figures: &Figures) -> String {
    let spread = figures.spread();
    spread.map_or_else(|| "–".to_owned(), |it| it.to_string())
}

// === impl Report ===

impl Report {
    fn servers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## Servers\n")?;
        writeln!(
            f,
            "Unary calls by h2load over 4 connections with 25 calls on each; the server has one core. The \
             ratio is that of the processor time per call to the first row of the same round.\n"
        )?;
        writeln!(
            f,
            "| server | µs of CPU per call | ratio: median (least–most) | one call at a time, µs | calls/s |"
        )?;
        writeln!(f, "|---|--:|--:|--:|--:|")?;
        for it in &self.servers {
            writeln!(
                f,
                "| {} | {} | {} | {} | {} |",
                it.name,
                median(&it.call, 2),
                spread(&it.ratio),
                median(&it.alone, 1),
                median(&it.rate, 0),
            )?;
        }
        writeln!(
            f,
            "\nLatencies at 8,000 calls/s; a message is a question and its answer in a stream of 100; a \
             connection is made for one call.\n"
        )?;
        writeln!(
            f,
            "| server | p50, µs | p99, µs | message, µs of CPU | connection, µs of CPU | idle, MiB | loaded, MiB | exec to answer, ms | program, MiB |"
        )?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|--:|--:|--:|")?;
        for it in &self.servers {
            writeln!(
                f,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {:.1} |",
                it.name,
                median(&it.p50, 0),
                median(&it.p99, 0),
                median(&it.message, 2),
                median(&it.connection, 0),
                median(&it.idle, 1),
                median(&it.loaded, 1),
                median(&it.start, 0),
                it.size,
            )?;
        }
        Ok(())
    }

    fn shapes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n## Shapes of the runtime\n")?;
        writeln!(
            f,
            "This server (HS256) on every core, one of which the load has as well. For each number of connections, \
             with so many calls at a time on each: µs of CPU per call, and calls a second to those of the first row \
             in the same round.\n"
        )?;
        write!(f, "| `runtime.shape` |")?;
        for (connections, streams) in shapes::LOADS {
            write!(f, " {connections} × {streams} | calls/s |")?;
        }
        writeln!(f, "\n|---|{}", "--:|--:|".repeat(shapes::LOADS.len()))?;
        for it in &self.shapes {
            write!(f, "| `{}` |", it.name)?;
            for (call, rate) in it.call.iter().zip(&it.rate) {
                write!(f, " {} | {} |", median(call, 1), spread(rate))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn clients(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n## Clients\n")?;
        writeln!(
            f,
            "µs of the client's CPU per call, and the ratio to the first row.\n"
        )?;
        write!(f, "| client |")?;
        for callers in CALLERS {
            write!(f, " {callers} callers | ratio |")?;
        }
        writeln!(f, "\n|---|{}", "--:|--:|".repeat(CALLERS.len()))?;
        for it in &self.clients {
            write!(f, "| {} |", it.name)?;
            for (call, ratio) in it.call.iter().zip(&it.ratio) {
                write!(f, " {} | {} |", median(call, 1), spread(ratio))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# What a call costs\n")?;
        writeln!(
            f,
            "By `cargo xtask bench`: medians of {} interleaved rounds of {} s. Ratios are what is \
             quoted; what is behind them: [docs/performance.md](../docs/performance.md).\n",
            self.rounds,
            self.length.as_secs()
        )?;
        writeln!(f, "{}", self.machine)?;
        self.servers(f)?;
        if !self.shapes.is_empty() {
            self.shapes(f)?;
        }
        if !self.clients.is_empty() {
            self.clients(f)?;
        }
        Ok(())
    }
}
