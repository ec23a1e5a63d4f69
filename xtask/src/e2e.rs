//! `cargo xtask e2e`: proves on a real cluster what the manifests promise.
//!
//! It builds the images, gives them to the cluster, applies an overlay as an operator would, disturbs
//! it under a steady load, and prints one row per claim. Every step is a `kubectl` command that can be
//! typed by hand; nothing is decided by the clock, but by conditions with bounds.
//!
//! | module | what it holds |
//! |---|---|
//! | [`catalogue`] | the scenarios there are, and on which overlays |
//! | [`scenarios`] | what each of them does and claims |
//! | [`scene`] | what a scenario has at hand |
//! | [`stage`] | the overlay on the cluster, brought up and taken away |
//! | [`overlay`] | an overlay's folder, and what a component adds to it |
//! | [`load`] | the clients in the cluster that call all the time |
//! | [`ledger`] | what a client's log says about its calls (pure) |
//! | [`finding`] | claims, whether they held, and their table (pure) |
//! | [`experiment`] | the classic experiment: one name against the other |
//! | [`certificates`] | identities where no cert-manager issues them |
//! | [`images`] | from the Dockerfile to the cluster's nodes |
//! | [`kubectl`], [`program`] | other programs, with bounds |
//! | [`context`] | which clusters are touched unasked (pure) |
//! | [`pods`], [`names`] | pods as they are listed (pure), and what they are called |
//! | [`diagnosis`], [`screen`], [`error`] | what is shown, also when something goes wrong |

mod catalogue;
mod certificates;
mod context;
mod diagnosis;
mod error;
mod experiment;
mod finding;
mod images;
mod kubectl;
mod ledger;
mod load;
mod names;
mod overlay;
mod pods;
mod program;
mod scenarios;
mod scene;
mod screen;
mod stage;

use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Subcommand};

use self::catalogue::Scenario;
use self::error::Error;
use self::finding::{Finding, Findings};
use self::kubectl::Kubectl;
use self::overlay::Overlay;
use self::scene::Scene;
use self::stage::Stage;

/// What an operator may choose.
#[derive(Args, Clone, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
It needs kubectl and docker, and a cluster that may be disturbed: processes are killed, and a node is
drained of the server's pods. On kind: kind create cluster --config with two workers.

Exit codes: 0 when every claim held, 1 when one did not or the run could not go on, 64 for a cluster
that does not look like one for tests, 130 after Ctrl-C. What the run has made is removed in any case.

Examples:
  cargo xtask e2e
  cargo xtask e2e --overlay mtls
  cargo xtask e2e --list
  cargo xtask e2e rollout kill --keep --skip-build
  cargo xtask e2e --load-command 'ssh node ctr --namespace k8s.io images import -'
  cargo xtask e2e experiment --calls 1000000"
)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// Which overlay to apply.
    #[arg(long, value_enum, default_value_t)]
    overlay: Overlay,
    #[command(flatten)]
    cluster: Cluster,
    /// How many calls per second each of the two clients makes meanwhile.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Only say which scenarios there are for the overlay.
    #[arg(long)]
    list: bool,
    /// The scenarios; without any, all that mean something on the overlay.
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
}

/// Which cluster, and how it gets the images.
#[derive(Args, Clone, Debug)]
struct Cluster {
    /// The context of kubectl. Without it the current one, if that is a cluster for tests (kind, k3d,
    /// minikube, testbed).
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// The images are in the cluster already.
    #[arg(long)]
    skip_build: bool,
    /// How images get into a cluster that is not kind's: a command that reads what `docker save` writes.
    #[arg(long, value_name = "COMMAND")]
    load_command: Option<String>,
    /// Leave the overlay on the cluster.
    #[arg(long)]
    keep: bool,
}

/// What there is besides the scenarios.
#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Show why one connection is not enough: all calls on one pod, and the same calls spread evenly.
    Experiment(experiment::Options),
}

/// Runs it and returns the exit code.
pub(crate) fn run(options: &Options) -> ExitCode {
    if options.list {
        screen::text(&catalogue::list(options.overlay));
        return ExitCode::SUCCESS;
    }
    let result = tokio::runtime::Runtime::new()
        .map_err(Error::Runtime)
        .and_then(|runtime| runtime.block_on(prove(options)));
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            screen::fail(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Whether every claim held.
async fn prove(options: &Options) -> Result<bool, Error> {
    let interrupted = crate::interrupt::interrupt().map_err(Error::Signals)?;
    tokio::pin!(interrupted);
    let (overlay, cluster) = match &options.command {
        Some(Command::Experiment(experiment)) => (Overlay::Plain, experiment.cluster()),
        None => (options.overlay, &options.cluster),
    };
    let context = cluster.context().await?;
    let stage = Stage::new(&context, overlay).await?;
    let played = async {
        if !cluster.skip_build {
            images::build().await?;
            images::load(&context, cluster.load_command.as_deref()).await?;
        }
        stage.apply().await?;
        match &options.command {
            Some(Command::Experiment(options)) => experiment::play(&stage, options).await,
            None => play(&stage, options).await,
        }
    };
    let result = tokio::select! {
        biased;
        () = &mut interrupted => Err(Error::Interrupted),
        result = played => result,
    };
    if let Err(error) = &result
        && !matches!(error, Error::Interrupted)
    {
        diagnosis::print(&stage.kubectl).await;
    }
    // A second Ctrl-C ends the tidying up as well.
    let cleared = tokio::select! {
        cleared = stage.clear(cluster.keep) => cleared,
        () = crate::interrupt::interrupt().map_err(Error::Signals)? => Err(Error::Interrupted),
    };
    let held = result?;
    cleared?;
    Ok(held)
}

/// Plays the scenarios and shows what they found.
async fn play(stage: &Stage, options: &Options) -> Result<bool, Error> {
    let mut scenarios = options.scenarios.clone();
    if scenarios.is_empty() {
        scenarios = Scenario::on(stage.overlay);
    }
    scenarios.sort_unstable();
    scenarios.dedup();
    let mut findings = Findings::default();
    let mut scene = Scene::new(stage, options.rate);
    for scenario in scenarios {
        let name = scenario.name();
        screen::title(&name);
        let started = Instant::now();
        let found = scenarios::play(scenario, &mut scene)
            .await
            .unwrap_or_else(|error| vec![Finding::broken(scenario.claim(), error.chain())]);
        let took = started.elapsed();
        let is_broken = found.iter().any(Finding::is_broken);
        for finding in found {
            screen::finding(&finding);
            findings.add(&name, finding, took);
        }
        if is_broken {
            diagnosis::print(&stage.kubectl).await;
            scene.recover().await?;
        }
    }
    if let Some(finding) = scene.accounts().await? {
        screen::title("accounts");
        screen::finding(&finding);
        findings.add("accounts", finding, std::time::Duration::ZERO);
    }
    screen::conclude(&findings);
    Ok(findings.all_held())
}

// === impl Cluster ===

impl Cluster {
    /// The context to use, if it may be used.
    async fn context(&self) -> Result<String, Error> {
        if let Some(context) = &self.context {
            return Ok(context.clone());
        }
        let current = Kubectl::current_context().await?;
        if context::is_throw_away(&current) {
            Ok(current)
        } else {
            Err(Error::Context { current })
        }
    }
}
