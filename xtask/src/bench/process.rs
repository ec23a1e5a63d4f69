//! A measured process: pinned to its core, asked by the kernel's books what it has used, ended at last.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Error;

/// The core of what is measured.
pub(super) const MEASURED: &str = "0";

/// The core of what measures.
pub(super) const LOADING: &str = "1";

/// Where the shapes of a runtime differ.
pub(super) const BOTH: &str = "0,1";

/// How long a server may take to answer.
const BOUND: Duration = Duration::from_secs(20);

/// How HTTP/2 begins: the client's preface and empty settings (RFC 9113, section 3.4).
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// How HTTP/2 begins an answer: the type of its first frame.
const SETTINGS: u8 = 4;

/// How TLS refuses what is none.
const ALERT: u8 = 21;

/// It is killed when this is dropped.
pub(super) struct Process {
    name: String,
    /// What it says: why it did not start, and seldom more.
    said: File,
    child: Child,
    started: Instant,
}

/// Runs `program` on one core.
pub(super) fn pinned(core: &str, program: &std::path::Path) -> Command {
    let mut command = Command::new("taskset");
    // taskset becomes the program: its process is the one that is measured.
    command.args(["--cpu-list", core]).arg(program);
    command
}

// === impl Process ===

impl Process {
    pub(super) fn start(name: &str, command: &mut Command) -> Result<Self, Error> {
        let cannot_start = |source| Error::Start {
            program: name.to_owned(),
            source,
        };
        let said = tempfile::tempfile().map_err(cannot_start)?;
        let stderr = said.try_clone().map_err(cannot_start)?;
        let started = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .map_err(cannot_start)?;
        Ok(Self {
            name: name.to_owned(),
            said,
            child,
            started,
        })
    }

    /// How long it took from its start until it spoke HTTP/2.
    pub(super) fn answered(&mut self, address: SocketAddr) -> Result<Duration, Error> {
        while self.started.elapsed() < BOUND {
            if let Ok(Some(status)) = self.child.try_wait() {
                let mut output = String::new();
                // Without its words there is still the status.
                let _ = self.said.rewind();
                let _ = (&self.said).take(4096).read_to_string(&mut output);
                return Err(Error::Failed {
                    program: self.name.clone(),
                    status,
                    output,
                });
            }
            if speaks(address) {
                return Ok(self.started.elapsed());
            }
            // Nothing tells when a port is taken; a millisecond is what is measured.
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(Error::Silent {
            program: self.name.clone(),
            bound: BOUND,
        })
    }

    /// The processor time that all its threads have used, to the kernel's 10 ms.
    pub(super) fn cpu(&self) -> Result<Duration, Error> {
        let stat = self.read("stat")?;
        // The command's name stands in parentheses and may hold anything; utime and stime are the
        // fields 14 and 15 of all, and so 12 and 13 after it.
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        let ticks = after.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.filter_map(|it| it.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 10))
    }

    /// What it holds of the machine's memory, in MiB.
    pub(super) fn resident(&self) -> Result<f64, Error> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|it| it.trim().trim_end_matches(" kB").parse::<f64>().ok());
        kib.map(|kib| kib / 1024.0).ok_or_else(|| Error::Output {
            program: self.name.clone(),
            expected: "VmRSS",
            output: status,
        })
    }

    fn read(&self, name: &str) -> Result<String, Error> {
        let path = PathBuf::from(format!("/proc/{}/{name}", self.child.id()));
        fs::read_to_string(&path).map_err(|source| Error::File { path, source })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether somebody answers: with HTTP/2, or with the alert of TLS that this is no handshake.
fn speaks(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return false;
    };
    let bound = stream.set_read_timeout(Some(BOUND)).is_ok();
    // An alert has seven bytes (RFC 8446, section 5.1), and an empty frame of SETTINGS nine.
    let mut begin = [0; 7];
    bound
        && stream.write_all(GREETING).is_ok()
        && stream.read_exact(&mut begin).is_ok()
        && (begin[0] == ALERT || begin[3] == SETTINGS)
}
