//! The binary, run to its end with a bound.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::{Child, Command};

/// Longer than any healthy run on a loaded machine.
const BOUND: Duration = Duration::from_mins(1);

/// What the program left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program with these arguments and nothing but this environment.
pub(crate) fn command(args: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_user-client"));
    command
        .args(args)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs the program.
pub(crate) async fn run(args: &[&str]) -> Ended {
    end(command(args, &[]).spawn().unwrap()).await
}

/// Waits for the end of a program that was started.
pub(crate) async fn end(child: Child) -> Ended {
    let output = tokio::time::timeout(BOUND, child.wait_with_output())
        .await
        .expect("the program must end by itself")
        .unwrap();
    Ended {
        code: output
            .status
            .code()
            .expect("the program must not die of a signal"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Waits for something that must happen, with a bound.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future)
        .await
        .unwrap_or_else(|_| panic!("{what} must happen"))
}

/// Sends what Ctrl-C sends.
#[cfg(unix)]
pub(crate) async fn interrupt(child: &Child) {
    let pid = child.id().unwrap().to_string();
    let kill = Command::new("kill").args(["-INT", &pid]).status();
    assert!(kill.await.unwrap().success(), "the program must be there");
}

impl Ended {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("standard output must be JSON ({error}): {self:?}"))
    }
}
