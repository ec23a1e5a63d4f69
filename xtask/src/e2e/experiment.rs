//! `cargo xtask e2e experiment`: the classic experiment. A million calls through the ClusterIP all
//! reach one pod; the same calls through the headless name, balanced by the client, reach all of them
//! evenly.

mod picture;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use indicatif::HumanCount;

use self::picture::{Bar, Panel};
use super::Cluster;
use super::error::Error;
use super::finding::{Finding, Findings};
use super::ledger::Counts;
use super::load::Run;
use super::names::{HEADLESS, SERVER, target};
use super::pods;
use super::scene::Scene;
use super::screen;
use super::stage::Stage;

/// A million calls on a slow machine.
const BOUND: Duration = Duration::from_mins(30);

/// What an operator may choose.
#[derive(Args, Clone, Debug)]
pub(super) struct Options {
    /// How many calls are made through each of the two names.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(3..))]
    calls: u64,
    /// How many calls are in flight at the most.
    #[arg(long, value_name = "W", default_value = "10")]
    workers: NonZeroUsize,
    /// Draw the result into this file as well (SVG).
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    cluster: Cluster,
}

/// What came of one name.
struct Part {
    title: &'static str,
    counts: Counts,
    took: Duration,
}

/// Makes the calls, and shows where they went.
pub(super) async fn play(stage: &Stage, options: &Options) -> Result<bool, Error> {
    let scene = Scene::new(stage, 1);
    let names = pods::names(&scene.servers().await?);
    let one = part(&scene, options, "ClusterIP, one connection", SERVER).await?;
    let all = part(
        &scene,
        options,
        "headless, balanced by the client",
        HEADLESS,
    )
    .await?;
    for part in [&one, &all] {
        screen::title(part.title);
        screen::text(&table(&part.counts, &names));
    }
    let one_finding = Finding::none_failed(
        format!("{}: every call is on one pod", one.title),
        &one.counts,
    );
    let one_finding = one_finding.and(one.counts.pods.len() == 1, "there is more than one");
    let all_finding = Finding::none_failed(
        format!("{}: pods differ by one call at the most", all.title),
        &all.counts,
    );
    let is_even = all.counts.is_spread_over(&names) && all.counts.imbalance() <= 1;
    let mut findings = Findings::default();
    findings.add("experiment", one_finding, one.took);
    findings.add(
        "experiment",
        all_finding.and(is_even, "they differ by more"),
        all.took,
    );
    screen::conclude(&findings);
    if let Some(path) = &options.svg {
        let panels = [&one, &all].map(|part| panel(part, &names));
        std::fs::write(path, picture::draw(&panels)).map_err(|source| Error::Write {
            path: path.clone(),
            source,
        })?;
        screen::step(&format!("{} is drawn", path.display()));
    }
    Ok(findings.all_held())
}

async fn part(
    scene: &Scene<'_>,
    options: &Options,
    title: &'static str,
    service: &str,
) -> Result<Part, Error> {
    let target = target(service, scene.kubectl().namespace());
    let calls = HumanCount(options.calls);
    screen::step(&format!(
        "{calls} calls, {} workers, {target}",
        options.workers
    ));
    let run = Run::Calls {
        method: scene.cached_method(),
        calls: options.calls,
        workers: options.workers.get(),
        target: Some(&target),
    };
    let started = Instant::now();
    let ledger = scene.run_client("e2e-experiment", &run, BOUND).await?;
    let counts = ledger.total.ok_or_else(|| Error::LoadEnded {
        pod: "e2e-experiment".to_owned(),
        log: ledger.noise.join("\n"),
    })?;
    Ok(Part {
        title,
        counts,
        took: started.elapsed(),
    })
}

/// One row per pod, also for those that got nothing.
fn table(counts: &Counts, names: &[String]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["POD", "CALLS", "SHARE"]);
    for (name, calls) in rows(counts, names) {
        table.add_row([
            name,
            HumanCount(calls).to_string(),
            share(calls, counts.calls),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

fn panel(part: &Part, names: &[String]) -> Panel {
    let bar = |(name, calls)| Bar {
        label: name,
        value: calls,
        text: format!(
            "{}  ({})",
            HumanCount(calls),
            share(calls, part.counts.calls)
        ),
    };
    Panel {
        title: format!("{}: {} calls", part.title, HumanCount(part.counts.calls)),
        bars: rows(&part.counts, names).map(bar).collect(),
    }
}

fn rows(counts: &Counts, names: &[String]) -> impl Iterator<Item = (String, u64)> {
    let calls = |name: &String| counts.pods.get(name).copied().unwrap_or(0);
    names.iter().map(move |name| (name.clone(), calls(name)))
}

/// `33.33 %`, rounded to the nearest hundredth.
fn share(part: u64, whole: u64) -> String {
    let whole = u128::from(whole.max(1));
    let hundredths = (u128::from(part) * 10_000 + whole / 2) / whole;
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}

// === impl Options ===

impl Options {
    pub(super) const fn cluster(&self) -> &Cluster {
        &self.cluster
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_without_a_call_is_shown_as_well() {
        let names = ["a".to_owned(), "b".to_owned()];
        let counts = Counts {
            calls: 3,
            pods: [("a".to_owned(), 3)].into(),
            ..Counts::default()
        };
        let table = table(&counts, &names);
        assert!(
            table.contains("100.00 %") && table.contains("0.00 %"),
            "{table}"
        );
        let part = Part {
            title: "t",
            counts,
            took: Duration::ZERO,
        };
        let values: Vec<u64> = panel(&part, &names)
            .bars
            .iter()
            .map(|it| it.value)
            .collect();
        assert_eq!(values, [3, 0]);
    }
}
