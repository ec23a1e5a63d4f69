//! Gives the entity of this repository another name.

use std::process::ExitCode;

fn main() -> ExitCode {
    rename::main(std::env::args().skip(1))
}
