//! The verbosity of the logs by signals, for where no request reaches the process: SIGUSR1 shows more,
//! SIGUSR2 what the settings say, as BIND's `named` and `ntpd` have had it for decades.

use std::io;

use super::Logs;

// === impl Logs ===

impl Logs {
    /// From now on SIGUSR1 adds DEBUG of these targets to the filter of the settings, and SIGUSR2 takes
    /// the filter back to what the settings say, whoever changed it. Where there are no such signals
    /// nothing happens. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When the operating system refuses the handlers.
    #[cfg_attr(
        not(unix),
        expect(clippy::unnecessary_wraps, reason = "there are no signals")
    )]
    pub fn listen_to_signals(&self, targets: &'static [&'static str]) -> io::Result<()> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};

            use crate::chain::Chain;

            let more = self.settings().with_debug(targets);
            for (kind, filter) in [
                (SignalKind::user_defined1(), more),
                (SignalKind::user_defined2(), self.settings().clone()),
            ] {
                let mut signals = signal(kind)?;
                let logs = self.clone();
                tokio::spawn(async move {
                    while signals.recv().await.is_some() {
                        if let Err(error) = logs.change(filter.clone()) {
                            tracing::error!(error = %Chain(&error), "the signal changed nothing");
                        }
                    }
                });
            }
        }
        #[cfg(not(unix))]
        let _ = targets;
        Ok(())
    }
}
