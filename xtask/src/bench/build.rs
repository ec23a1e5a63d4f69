//! Builds what is measured, with the release profile; and what only helps, without.

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
    /// `None` where there is no Go.
    pub(super) go: Option<PathBuf>,
}

/// Builds all of them.
pub(super) fn all(root: &Path) -> Result<Programs, Error> {
    let ours = target(root);
    for arguments in [
        ["build", "--package", "user-client"].as_slice(),
        &["build", "--release", "--package", "user-server"],
    ] {
        succeed("cargo build", cargo(root, &ours).args(arguments))?;
    }
    let folder = root.join(FOLDER);
    // A folder of its own: the peers have other features, and would build everything anew in turns.
    let peers = ours.join("bench");
    succeed(
        "cargo build of the peers",
        cargo(&folder, &peers).args(["build", "--release", "--locked"]),
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
    let program = |folder: &Path, name: &str| folder.join("release").join(name);
    Ok(Programs {
        server: program(&ours, "user-server"),
        client: ours.join("debug").join("user-client"),
        bare_tonic: program(&peers, "bare-tonic"),
        bench_client: program(&peers, "bench-client"),
        go: has_go.then_some(go),
    })
}

/// Where cargo puts what it builds.
fn target(root: &Path) -> PathBuf {
    let chosen = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    chosen.unwrap_or_else(|| root.join("target"))
}

fn cargo(folder: &Path, target: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder).env("CARGO_TARGET_DIR", target);
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
