//! `cargo xtask check`: what must hold in the manifests and in the structure of the code, without a
//! cluster.
//!
//! A schema knows one object; what goes wrong in a cluster is mostly between two: a probe and a port, a
//! selector and a label, a grace period and a setting. Those are the [`contracts`].
//!
//! | module | what it holds |
//! |---|---|
//! | [`tree`], [`manifests`] | the overlays and components, and what kustomize makes of them |
//! | [`render`], [`object`], [`pod`] | the objects of one render |
//! | [`program`], [`dial`] | the settings that our programs would have in it, and whom they call |
//! | [`contracts`] | what holds within one render |
//! | [`composition`] | what holds between renders |
//! | [`metrics`] | what alerts and dashboards ask for |
//! | [`validators`], [`tool`] | what other programs say |
//! | [`structure`] | what holds in the code and in the documents |
//! | [`finding`], [`outcome`], [`report`] | what came of it |
//! | [`error`] | why a check could not be made |

mod composition;
mod contracts;
mod dial;
mod error;
mod finding;
mod manifests;
mod metrics;
mod object;
mod outcome;
mod pod;
mod program;
mod render;
mod report;
mod structure;
pub(crate) mod tool;
mod tree;
mod validators;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use clap::Args;
use service_runtime::chain::Chain;

use self::contracts::CONTRACTS;
use self::error::Error;
use self::finding::Examination;
use self::manifests::Manifests;
use self::outcome::Outcome;
use self::structure::{File, RULES};
use self::tool::KUBECTL;
use self::tree::Tree;

/// What an operator may choose.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
What needs a program that is not here is SKIPPED, and says how to get it.

Exit codes: 0 when nothing is broken, 1 when something is or a check could not be made, 64 for bad usage.

Examples:
  cargo xtask check
  cargo xtask check shutdown probes
  cargo xtask check schemas --schemas ../schemas")]
pub(crate) struct Options {
    /// Only these checks; without a name, all of them.
    names: Vec<String>,
    /// Say which checks there are.
    #[arg(long)]
    list: bool,
    /// A folder of JSON schemas, instead of the public ones: kubernetes/KIND-GROUP-VERSION.json and
    /// `crds/GROUP/KIND_VERSION.json`.
    #[arg(long, value_name = "DIR")]
    schemas: Option<PathBuf>,
    /// The repository.
    #[arg(long, value_name = "DIR", default_value_os_t = repository(), hide_default_value = true)]
    root: PathBuf,
}

/// What is looked at; made when the first check needs it.
struct Subject {
    root: PathBuf,
    schemas: Option<PathBuf>,
    manifests: OnceCell<Option<Manifests>>,
    files: OnceCell<Vec<File>>,
}

/// One check.
#[derive(Clone, Copy)]
struct Check {
    name: &'static str,
    promise: &'static str,
    run: Run,
}

/// How a check is made.
#[derive(Clone, Copy)]
enum Run {
    /// Of each render.
    Contract(fn(&render::Render) -> Examination),
    /// Of the files.
    Rule(fn(&[File]) -> Examination),
    /// Of all renders together.
    Manifests(fn(&Manifests, &Subject) -> Result<Outcome, Error>),
    /// Of the workspace.
    Workspace(fn(&Path) -> Result<Outcome, Error>),
}

/// The checks that are neither contracts nor rules.
const OTHERS: [Check; 8] = [
    Check {
        name: "renders",
        promise: "every overlay renders, with each component too",
        run: Run::Manifests(|it, _| Ok(Outcome::of(composition::renders(it), "renders"))),
    },
    Check {
        name: "order",
        promise: "two components give the same in both orders",
        run: Run::Manifests(|it, _| Ok(Outcome::of(composition::commute(it)?, "pairs"))),
    },
    Check {
        name: "prefix",
        promise: "namePrefix reaches every name",
        run: Run::Manifests(|it, _| Ok(Outcome::of(composition::prefixed(it), "objects"))),
    },
    Check {
        name: "schemas",
        promise: "every field is one that the schemas know (kubeconform, strict)",
        run: Run::Manifests(|it, subject| {
            validators::kubeconform::run(it, subject.schemas.as_deref())
        }),
    },
    Check {
        name: "score",
        promise: "good practice, or an exception with its reason (kube-score)",
        run: Run::Manifests(|it, _| validators::kube_score::run(it)),
    },
    Check {
        name: "promql",
        promise: "the rules for alerts are PromQL, and pass their tests (promtool)",
        run: Run::Manifests(|it, _| validators::promtool::run(it)),
    },
    Check {
        name: "metrics",
        promise: "alerts and dashboards ask for metrics that the server emits",
        run: Run::Manifests(|it, subject| {
            let examination = metrics::examine(subject.files()?, &it.renders);
            Ok(Outcome::of(examination, "queries"))
        }),
    },
    Check {
        name: "arrows",
        promise: "the crates depend on each other as ARCHITECTURE.md says",
        run: Run::Workspace(arrows),
    },
];

/// Makes the checks, and says how they went.
pub(crate) fn run(options: &Options) -> ExitCode {
    let checks = match chosen(&options.names) {
        Ok(checks) => checks,
        Err(error) => {
            complain(&error);
            return ExitCode::from(crate::USAGE);
        }
    };
    let mut out = anstream::stdout().lock();
    let mut is_broken = false;
    let subject = Subject {
        root: options.root.clone(),
        schemas: options.schemas.clone(),
        manifests: OnceCell::new(),
        files: OnceCell::new(),
    };
    for check in checks {
        let name = (check.name, check.promise);
        if options.list {
            anstream::println!("{:<14} {}", check.name, check.promise);
            continue;
        }
        let started = Instant::now();
        match subject.make(check) {
            Ok(outcome) => {
                is_broken |= matches!(outcome, Outcome::Broken(_));
                // Nobody is left to tell when this cannot be printed.
                let _ = report::write(&mut out, name, &outcome, started.elapsed());
            }
            Err(error) => {
                is_broken = true;
                complain(&error);
            }
        }
    }
    if is_broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// All checks, the quick ones first.
fn all() -> impl Iterator<Item = Check> {
    let rules = RULES.iter().map(|it| Check {
        name: it.name,
        promise: it.promise,
        run: Run::Rule(it.examine),
    });
    let contracts = CONTRACTS.iter().map(|it| Check {
        name: it.name,
        promise: it.promise,
        run: Run::Contract(it.examine),
    });
    let (of_manifests, of_workspace): (Vec<Check>, Vec<Check>) = OTHERS
        .into_iter()
        .partition(|it| matches!(it.run, Run::Manifests(_)));
    of_workspace
        .into_iter()
        .chain(rules)
        .chain(contracts)
        .chain(of_manifests)
}

fn chosen(names: &[String]) -> Result<Vec<Check>, Error> {
    let all: Vec<Check> = all().collect();
    if let Some(name) = names
        .iter()
        .find(|name| all.iter().all(|it| it.name != **name))
    {
        return Err(Error::UnknownCheck {
            name: name.clone(),
            known: all.iter().map(|it| it.name).collect(),
        });
    }
    let is_chosen = |it: &Check| names.is_empty() || names.iter().any(|name| name == it.name);
    Ok(all.into_iter().filter(is_chosen).collect())
}

/// The folder that this program was built from.
fn repository() -> PathBuf {
    let member = Path::new(env!("CARGO_MANIFEST_DIR"));
    member.parent().unwrap_or(member).to_owned()
}

fn arrows(root: &Path) -> Result<Outcome, Error> {
    const CARGO: &str = "cargo";
    let output = Command::new(CARGO)
        .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
        .current_dir(root)
        .output()
        .map_err(|source| Error::Start {
            program: CARGO,
            source,
        })?;
    let metadata = serde_json::from_slice(&output.stdout).map_err(|_| Error::Failed {
        program: CARGO,
        message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })?;
    Ok(Outcome::of(structure::arrows::examine(&metadata), "arrows"))
}

fn complain(error: &Error) {
    anstream::eprintln!("error: {}", Chain(error));
}

// === impl Subject ===

impl Subject {
    fn make(&self, check: Check) -> Result<Outcome, Error> {
        match check.run {
            Run::Workspace(run) => run(&self.root),
            Run::Rule(examine) => Ok(Outcome::of(examine(self.files()?), "things")),
            Run::Manifests(run) => match self.manifests()? {
                Some(manifests) => run(manifests, self),
                None => Ok(Outcome::Skipped(KUBECTL.missing())),
            },
            Run::Contract(examine) => match self.manifests()? {
                Some(manifests) => {
                    let mut examination = Examination::default();
                    for render in &manifests.renders {
                        examination.add(examine(render).within(&render.name));
                    }
                    examination.findings.extend(manifests.unseen());
                    Ok(Outcome::of(examination, "things"))
                }
                None => Ok(Outcome::Skipped(KUBECTL.missing())),
            },
        }
    }

    fn manifests(&self) -> Result<Option<&Manifests>, Error> {
        if self.manifests.get().is_none() {
            let tree = Tree::copy(&self.root)?;
            let manifests = tree.map(Manifests::render).transpose()?;
            // Nobody else sets it: there is one thread.
            let _ = self.manifests.set(manifests);
        }
        Ok(self.manifests.get().and_then(Option::as_ref))
    }

    fn files(&self) -> Result<&[File], Error> {
        if self.files.get().is_none() {
            let _ = self.files.set(structure::files(&self.root)?);
        }
        Ok(self.files.get().map(Vec::as_slice).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_checks_have_one_name() {
        let names: Vec<&str> = all().map(|it| it.name).collect();
        let different: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(different.len(), names.len(), "{names:?}");
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_that_exist() {
        let error = chosen(&["probe".to_owned()]).err().unwrap().to_string();
        assert!(error.contains("probes"), "{error}");
    }
}
