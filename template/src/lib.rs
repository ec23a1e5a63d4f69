//! Gives the entity of this repository another name: in place, or for cargo-generate.
//!
//! | file | concept |
//! |---|---|
//! | `form.rs` | the forms of a name, and the character that stands for each |
//! | `names.rs` | a name in all of its forms; plurals, articles |
//! | `refusal.rs` | names that cannot work, and why |
//! | `repository.rs` | where images are pushed to, and where they are named |
//! | `words.rs` | finds the name in a text; `place.rs`: what is around it; `keep.rs`: terms that stay |
//! | `part.rs`, `part/` | what may be left out; `cut.rs`: its lines in other files; `section.rs`: how they are kept apart |
//! | `plan.rs` | all that changes, from the files of `tree.rs` |
//! | `in_place.rs`, `bundle.rs` | the two ways to write it out; `leftovers.rs`: what was forgotten |

mod bundle;
mod cli;
mod cut;
mod error;
mod form;
mod in_place;
mod keep;
mod leftovers;
mod names;
mod part;
mod place;
mod plan;
mod refusal;
mod repository;
mod section;
mod tree;
mod words;

use std::error::Error as _;
use std::process::ExitCode;

use self::cli::{Cli, Task};
use self::error::Error;
use self::plan::Plan;

/// Does what the arguments say: exit code 64 for a wrong command line or name, 1 for a failure.
pub fn main(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let outcome = Cli::parse(arguments).and_then(|cli| run(&cli));
    outcome.unwrap_or_else(|error| {
        let source = error
            .source()
            .map(|it| format!(": {it}"))
            .unwrap_or_default();
        eprintln!("{error}{source}");
        ExitCode::from(error.code())
    })
}

fn run(cli: &Cli) -> Result<ExitCode, Error> {
    match &cli.task {
        Task::Help => print!("{}", cli::help()),
        Task::Bundle => bundle::write(&cli.root, &Plan::of(&cli.root)?)?,
        Task::Check => bundle::check(&cli.root, &Plan::of(&cli.root)?)?,
        Task::Leftovers => {
            let found = leftovers::find(&cli.root)?;
            for place in &found {
                println!("{place}");
            }
            return Ok(if found.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        Task::Rename { names, left_out } => {
            in_place::apply(&cli.root, &Plan::of(&cli.root)?, names, left_out)?;
            println!("Renamed. Next: cargo fmt, then README.md.");
        }
    }
    Ok(ExitCode::SUCCESS)
}
