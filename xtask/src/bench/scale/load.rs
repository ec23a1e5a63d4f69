//! The load on the server: `bench/src/bin/connections.rs`, told by lines what to do.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::{Calls, Error};
use crate::bench::load::Aim;
use crate::bench::process::{LOADING, pinned};

const PROGRAM: &str = "connections";

/// Open connections to one server. They are closed when this is dropped.
pub(super) struct Connections {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

// === impl Connections ===

impl Connections {
    /// Opens so many, and makes one call on each.
    pub(super) fn open(program: &Path, aim: &Aim, count: u32) -> Result<Self, Error> {
        let mut command = pinned(LOADING, program);
        command.env_clear();
        command.args([&aim.address.to_string(), &aim.path]);
        command.arg(&aim.body).arg(count.to_string());
        command.args(&aim.token);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let cannot_start = |source| Error::Start {
            program: PROGRAM.to_owned(),
            source,
        };
        let mut child = command.spawn().map_err(cannot_start)?;
        let no_pipe = || cannot_start(std::io::ErrorKind::BrokenPipe.into());
        let input = child.stdin.take().ok_or_else(no_pipe)?;
        let output = child.stdout.take().ok_or_else(no_pipe)?;
        let mut connections = Self {
            child,
            input,
            output: BufReader::new(output).lines(),
        };
        connections.answered(aim, count)?;
        Ok(connections)
    }

    /// Makes calls, each on the next connection.
    pub(super) fn call(&mut self, aim: &Aim, wanted: Calls) -> Result<(), Error> {
        let Calls { calls, callers } = wanted;
        writeln!(self.input, "{calls} {callers}").map_err(|source| Error::Start {
            program: format!("more calls by {PROGRAM}"),
            source,
        })?;
        self.answered(aim, calls)
    }

    fn answered(&mut self, aim: &Aim, expected: u32) -> Result<(), Error> {
        // What went wrong is on the terminal.
        let line = self.output.next().and_then(Result::ok).unwrap_or_default();
        match answer(&line) {
            Some((calls, 0)) if calls == expected => Ok(()),
            Some((calls, failed)) => Err(Error::Calls {
                program: aim.path.clone(),
                failed: failed.into(),
                calls: calls.into(),
            }),
            None => Err(Error::Output {
                program: PROGRAM.to_owned(),
                expected: "how many calls were made, and how many failed",
                output: line,
            }),
        }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many calls were made, and how many of them failed.
fn answer(line: &str) -> Option<(u32, u32)> {
    let (calls, failed) = line.split_once(' ')?;
    Some((calls.parse().ok()?, failed.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_two_numbers() {
        assert_eq!(answer("30000 2"), Some((30_000, 2)));
        for wrong in ["", "30000", "30000 two", "30000 2 1"] {
            assert_eq!(answer(wrong), None, "{wrong}");
        }
    }
}
