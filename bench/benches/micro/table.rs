//! The table at the end: what callgrind has counted, for each call, and what each layer is of the whole.

use std::fs;
use std::path::{Path, PathBuf};

use crate::CALLS;

/// The parts of the layers: a name, and that of the rows.
const PARTS: [(&str, &str); 6] = [
    ("guard: a token that is remembered, policy", "guard"),
    ("limits", "limits"),
    ("metrics", "metrics"),
    ("spans: not sampled, by ratio", "spans"),
    ("access log: no line", "access_log"),
    ("faults: none set", "faults"),
];

/// What is compared with layers that have no part.
const COMPARED: [(&str, &str); 3] = [
    ("spans: not sampled, by the caller", "in_a_trace"),
    ("guard: an unknown token, HS256", "unknown_hs256"),
    ("guard: an unknown token, EdDSA", "unknown_eddsa"),
];

/// What stands for itself.
const SINGLE: [(&str, &str); 2] = [
    ("the policy's decision", "policy.decide"),
    ("the channel's pick of three", "pick.round_robin"),
];

/// Prints it, if all rows were measured.
pub fn print() {
    let counted = Counted::new();
    if counted.print().is_none() {
        println!("no table: not every row was measured");
    }
}

/// Where gungraun has put what was counted.
struct Counted(PathBuf);

// === impl Counted ===

impl Counted {
    fn new() -> Self {
        // target/release/deps/micro-…
        let program = std::env::current_exe().unwrap_or_default();
        let target = program.ancestors().nth(3).unwrap_or(Path::new("."));
        Self(target.join("gungraun/bench-peers/micro/rows/calls"))
    }

    fn print(&self) -> Option<()> {
        let bare = self.row("handler.bare")?;
        let none = self.row("layers.none")?;
        let all = self.row("layers.all")?;
        let percent = |of: f64| format!("{:.1} %", 100.0 * of / (all - bare));
        println!();
        println!("instructions for each call");
        println!("{:<44} {:>9} {:>9} {:>8}", "", "alone", "in all", "share");
        println!("{:<44} {bare:>9.0}", "the handler, without layers");
        let (name, more) = ("layers without parts", none - bare);
        println!("{name:<44} {more:>9.0} {more:>9.0} {:>8}", percent(more));
        for (name, row) in PARTS {
            let alone = self.row(&format!("layers.{row}"))? - none;
            let within = all - self.row(&format!("layers.no_{row}"))?;
            println!(
                "{name:<44} {alone:>9.0} {within:>9.0} {:>8}",
                percent(within)
            );
        }
        println!("{:<44} {:>9} {:>9.0}", "all layers", "", all - bare);
        println!();
        for (name, row) in COMPARED {
            let alone = self.row(&format!("layers.{row}"))? - none;
            println!("{name:<44} {alone:>9.0}");
        }
        for (name, row) in SINGLE {
            println!("{name:<44} {:>9.0}", self.row(row)?);
        }
        println!();
        for (name, row) in [("bare", "server.bare"), ("all layers", "server.all")] {
            let name = format!("one call at a time over HTTP/2, {name}");
            println!("{name:<44} {:>9.0}", self.row(row)?);
        }
        Some(())
    }

    /// Instructions for each call of a row, over all threads that were counted.
    fn row(&self, name: &str) -> Option<f64> {
        let mut sum = 0.0;
        for entry in fs::read_dir(self.0.join(name)).ok()? {
            let path = entry.ok()?.path();
            if path.extension().is_some_and(|it| it == "out") {
                let text = fs::read_to_string(&path).ok()?;
                let total = text
                    .lines()
                    .find_map(|line| line.strip_prefix("totals: "))?;
                let instructions = total.split(' ').next()?;
                sum += instructions.parse::<f64>().ok()?;
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "it is a thousand")]
        let calls = CALLS as f64;
        Some(sum / calls)
    }
}
