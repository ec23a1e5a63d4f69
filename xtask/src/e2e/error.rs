//! Why a run cannot go on, and what to do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use service_runtime::chain::Chain;

/// Why the run, or one scenario of it, ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The current context may be a cluster that somebody needs.
    #[error(
        "{current:?} does not look like a cluster for tests, and the scenarios kill processes and drain nodes.\n\
         If it may be used: cargo xtask e2e --context {current}"
    )]
    Context {
        /// The current context.
        current: String,
    },
    /// A program is missing.
    #[error("{program} cannot be run; it must be on the PATH")]
    Run {
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A program said no.
    #[error("`{command}` failed ({status}):\n{output}")]
    Failed {
        /// What was run.
        command: String,
        /// How it ended.
        status: String,
        /// The end of what it said.
        output: String,
    },
    /// A program took too long.
    #[error("`{command}` did not end within {after:?}")]
    TimedOut {
        /// What was run.
        command: String,
        /// The bound.
        after: Duration,
    },
    /// A program's standard input or output broke.
    #[error("the connection to `{command}` broke")]
    Pipe {
        /// What was run.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// A document is not what was expected.
    #[error("`{command}` answered with something that is no JSON")]
    Json {
        /// What was run.
        command: String,
        /// Where.
        source: serde_json::Error,
    },
    /// An object lacks a field.
    #[error("{object} has no {field}")]
    Field {
        /// The object.
        object: String,
        /// The path of the field.
        field: &'static str,
    },
    /// Something that was waited for has not come.
    #[error("after {after:?} it is still not so that {what}; the latest: {latest}")]
    Waited {
        /// What was waited for.
        what: String,
        /// The bound.
        after: Duration,
        /// What there was instead.
        latest: String,
    },
    /// The load is no longer there.
    #[error("the load {pod} has ended by itself; its log ends with:\n{log}")]
    LoadEnded {
        /// The pod.
        pod: String,
        /// The last lines.
        log: String,
    },
    /// A file of a composition cannot be written.
    #[error("{} cannot be written", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The current directory is not in the repository.
    #[error("{} is not there; run this from the repository", .0.display())]
    NotInRepository(PathBuf),
    /// Nobody knows how images get into this cluster.
    #[error(
        "{context:?} is no kind cluster, so it must be said how it gets images: --load-command COMMAND, which \
         gets the output of `docker save` on its standard input; or --skip-build when it has them"
    )]
    NoLoadCommand {
        /// The context.
        context: String,
    },
    /// Ctrl-C or SIGTERM.
    #[error("interrupted")]
    Interrupted,
    /// Signals cannot be listened to.
    #[error("signals cannot be listened to")]
    Signals(#[source] io::Error),
    /// The asynchronous runtime cannot start.
    #[error("the asynchronous runtime cannot start")]
    Runtime(#[source] io::Error),
}

// === impl Error ===

impl Error {
    /// 130 for an interrupt, as shells have it; 64 for a wrong use; 1 otherwise.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted => 130,
            Self::Context { .. } | Self::NoLoadCommand { .. } | Self::NotInRepository(_) => 64,
            _ => 1,
        }
    }

    /// The error and its causes, on one line.
    pub(crate) fn chain(&self) -> String {
        Chain(self).to_string()
    }
}
