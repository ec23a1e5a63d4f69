//! `man`: the manual pages, made from the same text as `--help`.

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _};

use crate::cli::Cli;
use crate::error::Error;

/// Print a manual page, or write them all.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  user-client man | man -l -
  user-client man import | man -l -
  user-client man --dir ~/.local/share/man/man1")]
pub struct Man {
    /// The sub-command whose page is printed; without it, the program's own.
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
    /// Write the pages of the program and of all its sub-commands into this folder, which must
    /// exist, instead of printing one.
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

// === impl Man ===

impl Man {
    pub(super) fn run(self) -> Result<(), Error> {
        let mut program = Cli::command();
        if let Some(dir) = self.dir {
            return clap_mangen::generate_to(program, dir).map_err(Error::Output);
        }
        // Building gives each sub-command the program's name and the flags that all share.
        program.build();
        let command = match self.command {
            None => program,
            Some(name) => program
                .find_subcommand(&name)
                .cloned()
                .ok_or(Error::NoSuchCommand(name))?,
        };
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .source(concat!(
                env!("CARGO_PKG_NAME"),
                " ",
                env!("CARGO_PKG_VERSION")
            ))
            .render(&mut page)
            .map_err(Error::Output)?;
        let mut stdout = std::io::stdout().lock();
        stdout
            .write_all(&page)
            .and_then(|()| stdout.flush())
            .map_err(Error::Output)
    }
}
