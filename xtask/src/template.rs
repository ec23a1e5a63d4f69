//! `cargo xtask template`: makes services out of this repository, under awkward names and without its
//! parts, and holds each to what the repository itself is held to.
//!
//! | module | concept |
//! |---|---|
//! | [`case`] | which services |
//! | [`make`] | how one is made: by cargo-generate, and in place, which must give the same |
//! | [`seed`] | what is compiled already, for the services as well |
//! | [`tree`] | the files of a folder, compared and copied |
//! | [`proof`] | what is asked of each |
//! | [`refusal`] | names that are refused before anything is written |
//! | [`walkthrough`] | the steps of docs/adding-*.md, done as they are written |

mod case;
mod error;
mod make;
mod proof;
mod refusal;
mod seed;
mod tree;
mod walkthrough;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anstyle::{AnsiColor, Style};
use clap::Args;
use service_runtime::chain::Chain;

use self::case::{CASES, Case};
use self::error::Error;
use self::make::Workshop;
use self::proof::Outcome;

/// What is tried.
#[derive(Args, Debug)]
#[command(after_help = "\
Needs cargo-generate (cargo install --locked cargo-generate, 0.23 or newer); without it the services are made by
the renamer alone. buf and kubectl are asked where they are on the PATH.

Examples:
  cargo xtask template --case full --case minimal
  cargo xtask template --quick")]
pub(crate) struct Options {
    /// Only these; without one, all. `--list` names them.
    #[arg(long, value_name = "NAME")]
    case: Vec<String>,
    /// Say which cases there are.
    #[arg(long)]
    list: bool,
    /// Compile only: no clippy, no tests, no demo.
    #[arg(long)]
    quick: bool,
    /// Go through the documents' steps only.
    #[arg(long, conflicts_with = "quick")]
    documents: bool,
    /// The cargo-generate to use.
    #[arg(long, value_name = "FILE", default_value = "cargo-generate")]
    generator: PathBuf,
    /// The folder of schemas that `cargo xtask check` of the services is given; without, it fetches the public ones.
    #[arg(long, value_name = "FOLDER")]
    schemas: Option<PathBuf>,
}

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const NEITHER: Style = AnsiColor::Yellow.on_default();

/// Runs it: exit code 0 if everything held, 64 for a case that there is not.
pub(crate) fn run(options: &Options) -> ExitCode {
    if options.list {
        for case in CASES {
            anstream::println!("{:<12} {}", case.name, case.about);
        }
        return ExitCode::SUCCESS;
    }
    match prove(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            anstream::eprintln!("error: {}", Chain(&error));
            error.code()
        }
    }
}

fn prove(options: &Options) -> Result<bool, Error> {
    let cases = chosen(&options.case)?;
    let schemas = options.schemas.as_ref().map(|path| {
        let found = path.canonicalize();
        found.map_err(Error::file(path))
    });
    let workshop = Workshop::open(
        repository(),
        options.generator.clone(),
        schemas.transpose()?,
    )?;
    let mut holds = report("template", "the renamer's own tests", || {
        proof::renamer(&workshop)
    });
    holds &= report(
        "template",
        "wrong names are refused, and leave nothing",
        || refusal::prove(&workshop),
    );
    for case in cases {
        let mut made = Vec::new();
        let is_made = report(case.name, "both ways make the same service", || {
            let (outcome, project) = workshop.make(case)?;
            made.push(project);
            Ok(outcome)
        });
        holds &= is_made;
        for project in made.iter().filter(|_| is_made) {
            let asked = if options.documents {
                Vec::new()
            } else {
                proof::steps(options.quick)
            };
            for step in asked {
                holds &= report(case.name, step.promise, || (step.prove)(&workshop, project));
            }
            if case.walks && !options.quick {
                for document in walkthrough::DOCUMENTS {
                    holds &= report(case.name, document, || {
                        walkthrough::prove(&workshop, project, document)
                    });
                }
            }
        }
    }
    Ok(holds)
}

fn chosen(names: &[String]) -> Result<Vec<&'static Case>, Error> {
    if names.is_empty() {
        return Ok(CASES.iter().collect());
    }
    let find = |name: &String| {
        CASES
            .iter()
            .find(|it| it.name == *name)
            .ok_or_else(|| Error::Case(name.clone()))
    };
    names.iter().map(find).collect()
}

/// One line for each promise, and what the programs said where it does not hold.
fn report(case: &str, promise: &str, prove: impl FnOnce() -> Result<Outcome, Error>) -> bool {
    let start = Instant::now();
    let outcome = prove();
    let seconds = start.elapsed().as_secs_f64();
    match outcome {
        Ok(Outcome::Held) => {
            anstream::println!("{GOOD}✓{GOOD:#} {case:<12} {promise} ({seconds:.1} s)");
        }
        Ok(Outcome::Skipped(why)) => {
            anstream::println!("{NEITHER}SKIPPED{NEITHER:#} {case:<12} {promise}: {why}");
        }
        Ok(Outcome::Broken(said)) => {
            anstream::println!("{BAD}✗{BAD:#} {case:<12} {promise} ({seconds:.1} s)\n{said}");
            return false;
        }
        Err(error) => {
            let source = std::error::Error::source(&error).map(|it| format!(": {it}"));
            anstream::println!(
                "{BAD}✗{BAD:#} {case:<12} {promise}: {error}{}",
                source.unwrap_or_default()
            );
            return false;
        }
    }
    true
}

/// The folder that this program was built from.
fn repository() -> PathBuf {
    let member = Path::new(env!("CARGO_MANIFEST_DIR"));
    member.parent().unwrap_or(member).to_owned()
}
