//! What it was measured on.

use std::fmt;
use std::fs;
use std::process::Command;

/// A machine, as far as it matters.
pub(super) struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
    date: String,
    rustc: String,
    go: String,
    load: String,
}

/// This one, now.
pub(super) fn describe() -> Machine {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("an unknown processor", |(_, name)| name);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    Machine {
        processor: processor.to_owned(),
        cores: cpus
            .lines()
            .filter(|line| line.starts_with("processor"))
            .count(),
        kernel: said("uname", &["-sr"]),
        date: said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        rustc: said("rustc", &["--version"]),
        go: said("go", &["version"]),
        load: load.split(' ').next().unwrap_or("?").to_owned(),
    }
}

/// What a program says of itself.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned());
    text.unwrap_or_else(|_| format!("no {program}"))
}

// === impl Machine ===

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processor, cores, ..
        } = self;
        writeln!(
            f,
            "{}. {processor}, {cores} cores; {}.",
            self.date, self.kernel
        )?;
        writeln!(f, "{}; {}.", self.rustc, self.go)?;
        // Whatever else runs is in the wall-clock figures, and a little in the others.
        writeln!(f, "Load average at the end: {}.", self.load)
    }
}
