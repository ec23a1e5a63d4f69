//! What a call costs in each layer, in instructions, which do not depend on what else the machine does.
//!
//! ```text
//! cargo bench --manifest-path bench/Cargo.toml
//! ```
//!
//! It needs valgrind and `gungraun-runner` (docs/performance.md). Each row runs in a process of its own
//! under callgrind, which counts what the measured thread does in [`CALLS`] calls, after [`WARM_UP`] that
//! are not counted. Two things are not as they are without valgrind: the time is asked by a system call,
//! which is not counted, and the processor has no instructions for SHA-256 ([`callgrind`]).

mod callgrind;
mod handler;
mod issuer;
mod lookups;
mod parts;
mod rows;
mod served;
mod subject;
mod table;

use mimalloc::MiMalloc;

/// The allocator of the server.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How many calls are counted: what happens every now and then is shared by them.
const CALLS: u32 = 1000;

/// How many are made before.
const WARM_UP: u32 = 200;

fn main() {
    // The runner starts this program again for each row, with arguments of its own.
    let is_row = std::env::args().any(|argument| argument == "--gungraun-run");
    rows::run();
    if !is_row {
        table::print();
    }
}
