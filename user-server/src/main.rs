//! The process: parse the arguments, load the settings, serve, and say by the exit code how it went.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A call allocates some thirty times; with the C library's allocator it costs 8 % more
/// (docs/adr/0018-the-allocator.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    user_server::run(std::env::args_os())
}
