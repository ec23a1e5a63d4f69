//! The table at the end: what each layer costs a call, and what that is of the whole.

use std::path::{Path, PathBuf};

use crate::CALLS;
use crate::callgrind::Counted;

/// The parts of the layers: a name, and that of the rows.
const PARTS: [(&str, &str); 6] = [
    ("guard: the connection's last token, policy", "guard"),
    ("limits", "limits"),
    ("metrics", "metrics"),
    ("spans: not sampled, by ratio", "spans"),
    ("access log: no line", "access_log"),
    ("faults: none set", "faults"),
];

/// What is compared with layers that have no part.
const COMPARED: [(&str, &str); 4] = [
    ("spans: not sampled, by the caller", "in_a_trace"),
    ("guard: a token of another connection", "elsewhere"),
    ("guard: an unknown token, HS256", "unknown_hs256"),
    ("guard: an unknown token, EdDSA", "unknown_eddsa"),
];

/// What stands for itself.
const SINGLE: [(&str, &str); 4] = [
    ("the policy's decision", "policy.decide"),
    ("the channel's pick of three", "pick.round_robin"),
    ("over HTTP/2, the handler alone", "server.bare"),
    ("over HTTP/2, all layers", "server.all"),
];

/// Prints it, if all rows were measured.
pub fn print() {
    let rows = Rows::new();
    if rows.print().is_none() {
        println!("no table: not every row was measured");
    }
}

/// Where gungraun has put what was counted.
struct Rows(PathBuf);

// === impl Rows ===

impl Rows {
    fn new() -> Self {
        // target/release/deps/micro-…
        let program = std::env::current_exe().unwrap_or_default();
        let target = program.ancestors().nth(3).unwrap_or(Path::new("."));
        Self(target.join("gungraun/bench-peers/micro/rows/calls"))
    }

    fn print(&self) -> Option<()> {
        let bare = self.row("handler.bare")?;
        let none = self.row("layers.none")?;
        let all = self.row("layers.all")? - bare;
        println!("\ninstructions for each call, without those of SHA-256\n");
        println!(
            "{:<44} {:>9} {:>9} {:>8} {:>9}",
            "", "alone", "in all", "share", "SHA-256"
        );
        let line = |name: &str, alone: Counted, within: Counted| {
            let share = 100.0 * within.plain / all.plain;
            let (alone, within, sha256) = (alone.plain, within.plain, within.sha256);
            println!("{name:<44} {alone:>9.0} {within:>9.0} {share:>6.1} % {sha256:>9.0}");
        };
        line("layers without parts", none - bare, none - bare);
        for (name, row) in PARTS {
            let alone = self.row(&format!("layers.{row}"))? - none;
            let without = self.row(&format!("layers.no_{row}"))? - bare;
            line(name, alone, all - without);
        }
        line("all layers", all, all);
        println!();
        let single = |name: &str, counted: Counted| {
            let Counted { plain, sha256 } = counted;
            println!("{name:<44} {plain:>9.0} {:>9} {:>8} {sha256:>9.0}", "", "");
        };
        single("the handler, without layers", bare);
        for (name, row) in COMPARED {
            single(name, self.row(&format!("layers.{row}"))? - none);
        }
        for (name, row) in SINGLE {
            single(name, self.row(row)?);
        }
        Some(())
    }

    fn row(&self, name: &str) -> Option<Counted> {
        Counted::read(&self.0.join(name), CALLS)
    }
}
