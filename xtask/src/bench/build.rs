//! Builds what is measured, with the release profile unless nothing is measured; and what only helps,
//! without.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Error, FOLDER};

/// Where the programs are.
pub(super) struct Programs {
    pub(super) server: PathBuf,
    /// Makes the record that is asked for.
    pub(super) client: PathBuf,
    pub(super) bare_tonic: PathBuf,
    pub(super) bench_client: PathBuf,
    pub(super) connections: PathBuf,
    pub(super) replicas: PathBuf,
    /// `None` where there is no Go.
    pub(super) go: Option<PathBuf>,
}

/// How what is measured is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Profile {
    /// In no time, for one who only wants to see it run.
    Dev,
    Release,
}

/// Builds all of them.
pub(super) fn all(root: &Path, profile: Profile) -> Result<Programs, Error> {
    let ours = target(root);
    for (package, profile) in [("user-client", Profile::Dev), ("user-server", profile)] {
        let mut build = cargo(root, &ours);
        build.args(["build", "--package", package, "--profile", profile.name()]);
        succeed("cargo build", &mut build)?;
    }
    let folder = root.join(FOLDER);
    // A folder of its own: the peers have other features, and would build everything anew in turns.
    let peers = ours.join("bench");
    succeed(
        "cargo build of the peers",
        cargo(&folder, &peers).args(["build", "--locked", "--profile", profile.name()]),
    )?;
    let go = peers.join("peers");
    let mut build = Command::new("go");
    build.current_dir(folder.join("go")).args(["build", "-o"]);
    let has_go = Command::new("go").arg("version").output().is_ok();
    if has_go {
        succeed("go build", build.arg(&go).arg("."))?;
    } else {
        anstream::eprintln!("SKIPPED grpc-go: Go is not here");
    }
    let program = |folder: &Path, name: &str| folder.join(profile.folder()).join(name);
    Ok(Programs {
        server: program(&ours, "user-server"),
        client: ours.join(Profile::Dev.folder()).join("user-client"),
        bare_tonic: program(&peers, "bare-tonic"),
        bench_client: program(&peers, "bench-client"),
        connections: program(&peers, "connections"),
        replicas: program(&peers, "replicas"),
        go: has_go.then_some(go),
    })
}

// === impl Profile ===

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
        }
    }

    /// Where cargo puts what it builds so.
    fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

/// Where cargo puts what it builds.
fn target(root: &Path) -> PathBuf {
    let chosen = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    chosen.unwrap_or_else(|| root.join("target"))
}

fn cargo(folder: &Path, target: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder).env("CARGO_TARGET_DIR", target);
    // What cargo has said of this program to it: build scripts of others would take it for news, and
    // everything behind them would be built again.
    let mine = ["CARGO_PKG_", "CARGO_MANIFEST_"];
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if mine.iter().any(|it| name.starts_with(it)) {
            command.env_remove(&*name);
        }
    }
    command
}

/// Runs a program to its end, with its output on this terminal.
fn succeed(program: &str, command: &mut Command) -> Result<(), Error> {
    let status = command.status().map_err(|source| Error::Start {
        program: program.to_owned(),
        source,
    })?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Failed {
        program: program.to_owned(),
        status,
        output: "see above".to_owned(),
    })
}
