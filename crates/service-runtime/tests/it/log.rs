//! What the runtime logs in this process, so that a test can wait for a line.

use std::io;
use std::sync::{Mutex, OnceLock};

use tokio::sync::watch;
use tracing_subscriber::fmt::MakeWriter;

use crate::subject::soon;

/// All lines since [`start`], of all tests: a line is found by something that only it can have, such
/// as the peer's port.
static LINES: OnceLock<watch::Sender<Vec<String>>> = OnceLock::new();

/// Cuts what is written into lines.
struct Writer;

/// What came since the last line's end; events are written whole, each by one thread.
static REST: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Starts to keep what is logged; without effect from the second time on.
pub(crate) fn start() {
    LINES.get_or_init(|| {
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_env_filter("info,service_runtime=debug")
            .with_writer(|| Writer)
            .init();
        watch::Sender::new(Vec::new())
    });
}

/// Waits for a line with all of these in it.
pub(crate) async fn line_with(parts: &[&str]) -> String {
    let mut lines = LINES.get().expect("the log must be started").subscribe();
    let has_all = |line: &&String| parts.iter().all(|part| line.contains(part));
    let found = lines.wait_for(|lines| lines.iter().any(|line| has_all(&line)));
    let lines = soon(&format!("a line with {parts:?}"), found)
        .await
        .unwrap();
    lines.iter().find(has_all).unwrap().clone()
}

/// How many lines so far have all of these in them.
pub(crate) fn count(parts: &[&str]) -> usize {
    let lines = LINES.get().expect("the log must be started").borrow();
    let has_all = |line: &&String| parts.iter().all(|part| line.contains(part));
    lines.iter().filter(has_all).count()
}

// === impl Writer ===

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = REST.lock().unwrap();
        rest.extend_from_slice(bytes);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let line = String::from_utf8(line).unwrap();
            if let Some(lines) = LINES.get() {
                lines.send_modify(|lines| lines.push(line));
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Writer {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}
