//! Who may ask the process to stop: the operating system's signals, the end of standard input, a
//! test. All of them send the same request; the first one drains, a second one stops at once.

use std::fmt;
use std::io;

use tokio::sync::mpsc;

#[cfg(unix)]
use crate::watch;

/// Why the process is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// SIGTERM: the orchestrator's request.
    Terminate,
    /// SIGINT or Ctrl-C: the operator's request.
    Interrupt,
    /// Standard input reached its end: the parent process is gone.
    InputClosed,
    /// The program that runs this server in itself asks for it.
    Caller,
}

/// Asks for the stop. Clones ask the same process.
#[derive(Clone, Debug)]
pub struct Stopper {
    requests: mpsc::UnboundedSender<Cause>,
}

/// Receives the requests.
#[derive(Debug)]
pub struct Requests {
    requests: mpsc::UnboundedReceiver<Cause>,
}

/// A pair that belongs together.
#[must_use]
pub fn channel() -> (Stopper, Requests) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (
        Stopper { requests: sender },
        Requests { requests: receiver },
    )
}

// === impl Cause ===

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
            Self::InputClosed => "end of standard input",
            Self::Caller => "caller's request",
        })
    }
}

// === impl Stopper ===

impl Stopper {
    /// Asks once. Without effect when the server has ended.
    pub fn stop(&self, cause: Cause) {
        // The receiver is gone only after the server has ended.
        let _ = self.requests.send(cause);
    }

    /// Turns SIGTERM and SIGINT (Ctrl-C where there are no signals) into requests, from now on and
    /// for every one of them. SIGHUP stops nothing: those that follow files read them again, and when
    /// nobody does the log says so. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When the operating system refuses the handlers.
    pub fn listen_to_signals(&self) -> io::Result<()> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};

            for (kind, cause) in [
                (SignalKind::terminate(), Cause::Terminate),
                (SignalKind::interrupt(), Cause::Interrupt),
            ] {
                let mut signals = signal(kind)?;
                let stopper = self.clone();
                tokio::spawn(async move {
                    while signals.recv().await.is_some() {
                        stopper.stop(cause);
                    }
                });
            }
            let mut hangups = signal(SignalKind::hangup())?;
            tokio::spawn(async move {
                while hangups.recv().await.is_some() {
                    if !watch::follows_files() {
                        tracing::info!(
                            "SIGHUP: nothing to read again, since no setting names a file that is followed"
                        );
                    }
                }
            });
        }
        #[cfg(not(unix))]
        {
            let stopper = self.clone();
            tokio::spawn(async move {
                while tokio::signal::ctrl_c().await.is_ok() {
                    stopper.stop(Cause::Interrupt);
                }
            });
        }
        Ok(())
    }

    /// Turns the end of standard input into one request, so that a child process never outlives its
    /// parent: the pipe ends with the parent, whatever became of it.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn listen_to_input(&self) -> io::Result<()> {
        let stopper = self.clone();
        // A thread, because a pending read of standard input would hold the runtime at its end.
        std::thread::Builder::new()
            .name("standard-input".to_owned())
            .spawn(move || {
                // Any error means that nothing will come any more, as the end does.
                let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
                stopper.stop(Cause::InputClosed);
            })?;
        Ok(())
    }
}

// === impl Requests ===

impl Requests {
    /// The next request; waits forever when nobody can ask any more. Cancel-safe.
    pub async fn next(&mut self) -> Cause {
        match self.requests.recv().await {
            Some(cause) => cause,
            None => std::future::pending().await,
        }
    }
}
