//! Running other programs: one way, with a bound, and with their last words when they fail.

use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::error::Error;

/// How much of a failed program's output is shown.
const LAST_LINES: usize = 30;

/// A program and its arguments.
#[derive(Clone, Debug)]
pub(super) struct Program {
    name: String,
    args: Vec<String>,
    bound: Duration,
}

// === impl Program ===

impl Program {
    pub(super) fn new<T: Into<String>>(name: &str, args: impl IntoIterator<Item = T>) -> Self {
        Self {
            name: name.to_owned(),
            args: args.into_iter().map(Into::into).collect(),
            bound: Duration::from_mins(2),
        }
    }

    /// How long it may take; two minutes unless this is said.
    pub(super) const fn within(mut self, bound: Duration) -> Self {
        self.bound = bound;
        self
    }

    /// What an operator would type.
    pub(super) fn line(&self) -> String {
        let words = std::iter::once(&self.name).chain(&self.args);
        words.map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// A process of it that ends when it is dropped.
    ///
    /// It is in a process group of its own: Ctrl-C on the terminal is for this program, which then
    /// tidies up by the others.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.name);
        command.args(&self.args).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        command
    }

    /// Runs it, and returns its standard output.
    pub(super) async fn run(&self) -> Result<String, Error> {
        self.checked(&self.output(None).await?)
    }

    /// Runs it with this standard input, and returns its standard output.
    pub(super) async fn run_with(&self, input: &str) -> Result<String, Error> {
        self.checked(&self.output(Some(input)).await?)
    }

    /// Runs it; that it fails is an answer as well.
    pub(super) async fn output(&self, input: Option<&str>) -> Result<Output, Error> {
        let mut command = self.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        let mut child = command.spawn().map_err(|source| Error::Run {
            program: self.name.clone(),
            source,
        })?;
        let stdin = child.stdin.take();
        let ended = async {
            if let (Some(mut stdin), Some(input)) = (stdin, input) {
                // A program that has ended early says why by itself.
                let _ = stdin.write_all(input.as_bytes()).await;
            }
            child.wait_with_output().await
        };
        tokio::time::timeout(self.bound, ended)
            .await
            .map_err(|_elapsed| Error::TimedOut {
                command: self.line(),
                after: self.bound,
            })?
            .map_err(|source| self.broken(source))
    }

    /// What a failure to talk to it is.
    pub(super) fn broken(&self, source: std::io::Error) -> Error {
        Error::Pipe {
            command: self.line(),
            source,
        }
    }

    fn checked(&self, output: &Output) -> Result<String, Error> {
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(stdout);
        }
        let said = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
        Err(Error::Failed {
            command: self.line(),
            status: output.status.to_string(),
            output: last_lines(&said, LAST_LINES),
        })
    }
}

/// The end of a text.
pub(super) fn last_lines(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.trim_end().lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program::new("sh", ["-c", script])
    }

    #[tokio::test]
    async fn what_a_program_reads_and_writes_goes_through() {
        let answer = shell("cat; echo noise >&2").run_with("question").await;
        assert_eq!(answer.expect("cat does not fail"), "question");
    }

    #[tokio::test]
    async fn a_failure_shows_what_was_run_and_its_last_words() {
        let error = shell("echo first; echo last >&2; exit 3").run().await;
        let text = error.expect_err("it exits with 3").to_string();
        for part in ["sh -c", "exit status: 3", "first", "last"] {
            assert!(text.contains(part), "{part:?} is missing in: {text}");
        }
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_given_up() {
        let hangs = shell("sleep 600").within(Duration::from_millis(50));
        let error = hangs.run().await.expect_err("it does not end");
        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    }

    #[test]
    fn only_the_end_of_a_long_text_is_shown() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("a", 2), "a");
    }
}
