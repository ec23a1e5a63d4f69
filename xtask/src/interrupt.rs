//! The wish to stop, from the terminal or from a supervisor: commands that leave something behind
//! need it to tidy up first.

use std::io;

/// Completes with the first SIGINT, SIGTERM or SIGHUP. From now on none of them ends the process by
/// itself.
#[cfg(unix)]
pub(crate) fn interrupt() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// Completes with the first Ctrl-C.
#[cfg(not(unix))]
pub(crate) fn interrupt() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}
