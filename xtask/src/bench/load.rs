//! The load: h2load, which sends the same framed message again and again.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Error;
use super::process::{LOADING, pinned};

const PROGRAM: &str = "h2load";

/// A record has more bytes than this, whoever answers.
const MESSAGE: u64 = 50;

/// How much is asked for at the same time, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) connections: u32,
    /// On each of them.
    pub(super) streams: u32,
    pub(super) amount: Amount,
}

/// When it is enough.
#[derive(Clone, Copy, Debug)]
pub(super) enum Amount {
    Calls(u32),
    For(Duration),
    /// So many calls a second on each connection.
    Rate(u32, Duration),
}

/// Who is asked for what.
#[derive(Clone, Debug)]
pub(super) struct Aim {
    pub(super) address: SocketAddr,
    pub(super) tls: bool,
    /// `/package.Service/Method`.
    pub(super) path: String,
    pub(super) body: PathBuf,
    pub(super) token: Option<String>,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loaded {
    /// How many calls were answered with a message.
    pub(super) calls: u64,
    /// How many a second.
    pub(super) rate: f64,
}

/// Where it is.
pub(super) fn find() -> Result<(), Error> {
    let install = "it comes with nghttp2 (Debian: the package nghttp2-client)";
    for (name, install) in [(PROGRAM, install), ("taskset", "it comes with util-linux")] {
        let found = Command::new(name).arg("--version").output().is_ok();
        if !found {
            return Err(Error::Missing { name, install });
        }
    }
    Ok(())
}

/// Loads a server.
pub(super) fn run(aim: &Aim, shape: Shape) -> Result<Loaded, Error> {
    let output = h2load(aim, shape, None)?;
    let wrong = || Error::Output {
        program: PROGRAM.to_owned(),
        expected: "its summary",
        output: output.clone(),
    };
    let summary = Summary::read(&output).ok_or_else(wrong)?;
    if summary.failed > 0 || summary.calls == 0 || summary.data / MESSAGE < summary.calls {
        // gRPC answers with 200 whatever happens; a call that failed has no message.
        return Err(Error::Calls {
            program: aim.path.clone(),
            failed: summary.failed.max(1),
            calls: summary.calls,
        });
    }
    Ok(Loaded {
        calls: summary.calls,
        rate: summary.rate,
    })
}

/// How long each call took, at a fixed rate.
pub(super) fn latencies(aim: &Aim, shape: Shape, log: &Path) -> Result<Vec<u64>, Error> {
    // What was there before is appended to.
    let _ = fs::remove_file(log);
    h2load(aim, shape, Some(log))?;
    let text = fs::read_to_string(log).map_err(|source| Error::File {
        path: log.to_owned(),
        source,
    })?;
    // The time of its start, the status, and how long it took in microseconds.
    let times = text.lines().filter_map(|line| line.split('\t').nth(2));
    let mut times: Vec<u64> = times.filter_map(|it| it.trim().parse().ok()).collect();
    times.sort_unstable();
    Ok(times)
}

fn h2load(aim: &Aim, shape: Shape, log: Option<&Path>) -> Result<String, Error> {
    let mut command = pinned(LOADING, Path::new(PROGRAM));
    let mut flag = |name: &str, value: String| {
        command.args([OsString::from(name), OsString::from(value)]);
    };
    flag("-c", shape.connections.to_string());
    flag("-m", shape.streams.to_string());
    match shape.amount {
        Amount::Calls(calls) => flag("-n", calls.to_string()),
        Amount::For(time) => flag("-D", time.as_secs().to_string()),
        Amount::Rate(rate, time) => {
            flag("--rps", rate.to_string());
            flag("-D", time.as_secs().to_string());
        }
    }
    flag("-H", "content-type: application/grpc".to_owned());
    flag("-H", "te: trailers".to_owned());
    if let Some(token) = &aim.token {
        flag("-H", format!("authorization: Bearer {token}"));
    }
    command.arg("-d").arg(&aim.body);
    if let Some(log) = log {
        command.arg("--log-file").arg(log);
    }
    let scheme = if aim.tls { "https" } else { "http" };
    command.arg(format!("{scheme}://{}{}", aim.address, aim.path));
    let output = command.output().map_err(|source| Error::Start {
        program: PROGRAM.to_owned(),
        source,
    })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(Error::Failed {
        program: PROGRAM.to_owned(),
        status: output.status,
        output: text + &String::from_utf8_lossy(&output.stderr),
    })
}

// === impl Loaded ===

impl Loaded {
    /// For dividing by it.
    pub(super) fn calls_as_float(self) -> f64 {
        f64::from(u32::try_from(self.calls).unwrap_or(u32::MAX))
    }
}

/// What h2load says at its end.
struct Summary {
    calls: u64,
    failed: u64,
    rate: f64,
    /// How many bytes of messages came back.
    data: u64,
}

// === impl Summary ===

impl Summary {
    fn read(output: &str) -> Option<Self> {
        let line = |name: &str| output.lines().find_map(|line| line.strip_prefix(name));
        let number = |text: &str, unit: &str| {
            let before = text.split(unit).next()?;
            before
                .split([' ', ',', '('])
                .rfind(|it| !it.is_empty())?
                .parse()
                .ok()
        };
        let requests = line("requests: ")?;
        let rate = line("finished in ")?.split(", ").nth(1)?;
        let traffic = line("traffic: ")?.rsplit_once("headers")?.1;
        Some(Self {
            calls: number(requests, " succeeded")?,
            failed: number(requests, " failed")? + number(requests, " errored")?,
            rate: rate.strip_suffix(" req/s")?.parse().ok()?,
            data: traffic.split(['(', ')']).rev().nth(1)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test stops at what it does not expect"
    )]

    use super::*;

    #[test]
    fn the_summary_of_h2load_is_understood() {
        let output = "\
finished in 2.00s, 91013.50 req/s, 15.68MB/s
requests: 182127 total, 182127 started, 182027 done, 182026 succeeded, 1 failed, 2 errored, 0 timeout
status codes: 182027 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 31.37MB (32890114) total, 5.38MB (5644837) headers (space savings 95.79%), 20.83MB (21843240) data
";
        let summary = Summary::read(output).unwrap();
        assert_eq!(
            (summary.calls, summary.failed, summary.data),
            (182_026, 3, 21_843_240)
        );
        assert!((summary.rate - 91_013.5).abs() < 0.1);
    }
}
