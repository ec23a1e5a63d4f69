//! `completions`: the script that teaches a shell this command line.

use std::io::Write as _;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::Error;

/// Print the completion script of a shell.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  source <(user-client completions bash)
  user-client completions zsh > ~/.zfunc/_user-client
  user-client completions fish > ~/.config/fish/completions/user-client.fish")]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

// === impl Completions ===

impl Completions {
    pub(super) fn run(self) -> Result<(), Error> {
        let mut script = Vec::new();
        let mut command = Cli::command();
        let name = command.get_name().to_owned();
        clap_complete::generate(self.shell, &mut command, name, &mut script);
        let mut stdout = std::io::stdout().lock();
        stdout
            .write_all(&script)
            .and_then(|()| stdout.flush())
            .map_err(Error::Output)
    }
}
