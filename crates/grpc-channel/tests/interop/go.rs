//! The Go program of `interop/`, if this machine can build it.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::OnceCell;

#[cfg(feature = "tls")]
use crate::identity::Identity;
use crate::wait::bounded;

/// How long the download of the module's dependencies may take, and the build after it.
const DOWNLOAD: Duration = Duration::from_mins(2);
const BUILD: Duration = Duration::from_mins(10);

/// The program, built.
#[derive(Debug)]
pub(crate) struct Go {
    pub(crate) program: PathBuf,
    /// How the servers that it starts prove who they are; `None` is plaintext.
    #[cfg(feature = "tls")]
    pub(crate) identity: Option<Identity>,
}

/// Why there is no program, on a machine that lacks what is needed to build it. A program that does
/// not compile is no such reason: it fails the tests.
#[derive(Debug, thiserror::Error)]
enum Missing {
    #[error("there is no `go` on the PATH")]
    Go,
    #[error("the Go modules could not be downloaded within {DOWNLOAD:?}")]
    Answer,
    #[error("the Go modules could not be downloaded: {last_line}")]
    Modules { last_line: String },
}

/// Runs a test against grpc-go within a bound, or says why not.
pub(crate) async fn interop(test: impl AsyncFnOnce(&Go)) {
    static GO: OnceCell<Result<Go, Missing>> = OnceCell::const_new();
    match GO.get_or_init(Go::build).await {
        Ok(go) => bounded(test(go)).await,
        Err(why) => skipped(why),
    }
}

/// Runs one of the standard cases in plaintext and, with the feature `tls`, once more over TLS.
pub(crate) async fn standard_case(test: impl AsyncFn(&Go)) {
    interop(async |go| test(go).await).await;
    #[cfg(feature = "tls")]
    interop(async |go| test(&go.over_tls()).await).await;
}

/// The test harness shows what a passing test writes to the handle, but not what it prints.
fn skipped(why: &Missing) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    writeln!(io::stderr(), "SKIPPED interop: {test}: {why}").expect("standard error is open");
}

// === impl Go ===

impl Go {
    /// The same program, whose servers speak TLS.
    #[cfg(feature = "tls")]
    pub(crate) fn over_tls(&self) -> Self {
        Self {
            program: self.program.clone(),
            identity: Some(Identity::new()),
        }
    }

    async fn build() -> Result<Self, Missing> {
        match go(["mod", "download"], DOWNLOAD).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Missing::Go),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(Missing::Answer),
            Err(error) => panic!("go can be run: {error}"),
            Ok(output) if !output.status.success() => {
                let last_line = text(&output).lines().last().unwrap_or_default().to_owned();
                return Err(Missing::Modules { last_line });
            }
            Ok(_) => {}
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let program = folder.join(format!("grpc-go-interop{}", std::env::consts::EXE_SUFFIX));
        // Another run of these tests may have its peers running from the file: it is replaced as a
        // whole and never written to.
        let fresh = folder.join(format!("grpc-go-interop-{}", std::process::id()));
        let args = ["build", "-buildvcs=false", "-o"].map(OsStr::new);
        let built = go(args.into_iter().chain([fresh.as_os_str()]), BUILD)
            .await
            .expect("the Go program must be built in time");
        assert!(
            built.status.success(),
            "the Go program must compile:\n{}",
            text(&built)
        );
        std::fs::rename(&fresh, &program).expect("the folder for temporary files is writable");
        Ok(Self {
            program,
            #[cfg(feature = "tls")]
            identity: None,
        })
    }
}

/// Runs the go command in the module's folder; it is killed when the time is over.
async fn go(
    args: impl IntoIterator<Item = impl AsRef<OsStr>>,
    within: Duration,
) -> io::Result<Output> {
    let output = Command::new("go")
        .args(args)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/interop"))
        .kill_on_drop(true)
        .output();
    tokio::time::timeout(within, output).await?
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}
