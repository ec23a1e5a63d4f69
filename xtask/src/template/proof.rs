//! What is asked of each service: no less than of this repository.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::error::Error;
use super::make::Workshop;
use crate::check::tool::{KUBECTL, Tool};

/// How many of a program's last lines are shown.
const LAST_LINES: usize = 40;

const BUF: Tool = Tool {
    name: "buf",
    install: "npm install @bufbuild/buf",
};

/// The crates that come along unchanged are tested with this workspace.
pub(super) const TESTS: &[&str] = &[
    "test",
    "--workspace",
    "--exclude=grpc-channel",
    "--exclude=service-runtime",
    "--locked",
    "--no-fail-fast",
];

/// How it went.
#[derive(Debug)]
pub(super) enum Outcome {
    /// As promised.
    Held,
    /// A program is missing.
    Skipped(String),
    /// Not as promised; what was said about it.
    Broken(String),
}

/// One thing that is asked.
pub(super) struct Step {
    /// What must hold.
    pub(super) promise: &'static str,
    /// Whether it does.
    pub(super) prove: fn(&Workshop, &Path) -> Result<Outcome, Error>,
}

/// All of them, in an order in which the cheap ones fail first.
pub(super) fn steps(is_quick: bool) -> Vec<Step> {
    let cheap = [
        Step {
            promise: "nothing is left of the first name",
            prove: leftovers,
        },
        Step {
            promise: "the contract passes buf lint",
            prove: buf,
        },
        Step {
            promise: "every overlay renders",
            prove: overlays,
        },
    ];
    let compiled = [
        Step {
            promise: "clippy has nothing to say, with the lock file as it is",
            prove: clippy,
        },
        Step {
            promise: "manifests, structure and documents hold (cargo xtask check)",
            prove: check,
        },
        Step {
            promise: "the tests pass",
            prove: tests,
        },
        Step {
            promise: "the demo shows what it claims",
            prove: demo,
        },
    ];
    let quick = Step {
        promise: "it compiles, with the lock file as it is",
        prove: compiles,
    };
    if is_quick {
        cheap.into_iter().chain([quick]).collect()
    } else {
        cheap.into_iter().chain(compiled).collect()
    }
}

/// The renamer's own tests, and whether its bundle is fresh.
pub(super) fn renamer(workshop: &Workshop) -> Result<Outcome, Error> {
    let source = workshop.source();
    let fresh = workshop.rename(&source, &["--check".to_owned()])?;
    if !fresh.status.success() {
        return Ok(Outcome::of(&fresh));
    }
    let mut tests = workshop.cargo(
        &source,
        &[
            "test",
            "--quiet",
            "--offline",
            "--manifest-path=template/Cargo.toml",
        ],
    );
    tests.env("CARGO_TARGET_DIR", workshop.renamer());
    Ok(Outcome::of(&Workshop::run(&mut tests)?))
}

fn leftovers(workshop: &Workshop, project: &Path) -> Result<Outcome, Error> {
    Ok(Outcome::of(
        &workshop.rename(project, &["--leftovers".to_owned()])?,
    ))
}

fn buf(_: &Workshop, project: &Path) -> Result<Outcome, Error> {
    if BUF.find().is_none() {
        return Ok(Outcome::Skipped(BUF.missing()));
    }
    let entries = fs::read_dir(project).map_err(Error::file(project))?;
    let folders = entries.filter_map(|it| it.ok().map(|it| it.path()));
    for contract in folders.filter(|it| it.join("buf.yaml").is_file()) {
        for arguments in [&["lint"][..], &["format", "--diff", "--exit-code"]] {
            let output = Workshop::run(
                Command::new(BUF.name)
                    .args(arguments)
                    .current_dir(&contract),
            )?;
            if !output.status.success() {
                return Ok(Outcome::of(&output));
            }
        }
    }
    Ok(Outcome::Held)
}

fn overlays(_: &Workshop, project: &Path) -> Result<Outcome, Error> {
    if KUBECTL.find().is_none() {
        return Ok(Outcome::Skipped(KUBECTL.missing()));
    }
    let overlays = project.join("kustomize/overlays");
    for overlay in fs::read_dir(&overlays).map_err(Error::file(&overlays))? {
        let overlay = overlay.map_err(Error::file(&overlays))?.path();
        let output = Workshop::run(Command::new(KUBECTL.name).arg("kustomize").arg(overlay))?;
        if !output.status.success() {
            return Ok(Outcome::of(&output));
        }
    }
    Ok(Outcome::Held)
}

fn compiles(workshop: &Workshop, project: &Path) -> Result<Outcome, Error> {
    cargo(
        workshop,
        project,
        &["check", "--workspace", "--all-targets", "--locked"],
    )
}

fn clippy(workshop: &Workshop, project: &Path) -> Result<Outcome, Error> {
    cargo(
        workshop,
        project,
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "--deny=warnings",
        ],
    )
}

fn check(workshop: &Workshop, project: &Path) -> Result<Outcome, Error> {
    Ok(Outcome::of(&Workshop::run(&mut workshop.check(project))?))
}

fn tests(workshop: &Workshop, project: &Path) -> Result<Outcome, Error> {
    cargo(workshop, project, TESTS)
}

fn demo(workshop: &Workshop, project: &Path) -> Result<Outcome, Error> {
    cargo(workshop, project, &["demo"])
}

/// Cargo in the project.
pub(super) fn cargo(
    workshop: &Workshop,
    project: &Path,
    arguments: &[&str],
) -> Result<Outcome, Error> {
    Ok(Outcome::of(&Workshop::run(
        &mut workshop.cargo(project, arguments),
    )?))
}

// === impl Outcome ===

impl Outcome {
    /// A program's success, or its last words.
    pub(super) fn of(output: &Output) -> Self {
        if output.status.success() {
            return Self::Held;
        }
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().collect();
        let last = lines.len().saturating_sub(LAST_LINES);
        // What a test said stands between these two, long before the end.
        let failures = lines
            .iter()
            .skip_while(|line| **line != "failures:")
            .take_while(|line| !line.starts_with("test result:"));
        Self::without(failures.chain(&lines[last..]).copied())
    }

    /// Nothing that is wrong, or what is.
    pub(super) fn without(wrong: impl Iterator<Item = impl AsRef<str>>) -> Self {
        let lines: Vec<String> = wrong.map(|it| format!("    {}", it.as_ref())).collect();
        if lines.is_empty() {
            Self::Held
        } else {
            Self::Broken(lines.join("\n"))
        }
    }
}
