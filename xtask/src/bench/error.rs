//! Why nothing can be measured, and what to do about it.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// Why the measurement ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A program is missing.
    #[error("{name} is not in the PATH; {install}")]
    Missing {
        /// Its name.
        name: &'static str,
        /// How to get it.
        install: &'static str,
    },
    /// A program cannot be started.
    #[error("{program} cannot be started")]
    Start {
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A program failed.
    #[error("{program} ended with {status}:\n{output}")]
    Failed {
        /// Which.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        output: String,
    },
    /// A program said something else than expected.
    #[error("expected {expected} from {program} instead of:\n{output}")]
    Output {
        /// Which.
        program: String,
        /// What was expected.
        expected: &'static str,
        /// What it said.
        output: String,
    },
    /// A server does not answer.
    #[error("{program} has not answered within {bound:?}")]
    Silent {
        /// Which.
        program: String,
        /// How long it was waited for.
        bound: Duration,
    },
    /// Calls were not answered with a message.
    #[error("{failed} of {calls} calls to {program} failed")]
    Calls {
        /// Whose.
        program: String,
        /// How many.
        failed: u64,
        /// Of how many.
        calls: u64,
    },
    /// See the source.
    #[error("{} cannot be used", path.display())]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// See the source.
    #[error("no certificates can be made")]
    Certificates(#[source] crate::certs::Error),
    /// Too few connections can be open.
    #[error("{wanted} open files are needed and {allowed} are allowed; see `ulimit -Hn`")]
    OpenFiles {
        /// How many are needed.
        wanted: u64,
        /// How many this process may have.
        allowed: u64,
    },
    /// The operating system gives no random numbers.
    #[error("no key can be made: the operating system gives no random numbers")]
    Randomness,
}
