//! `cargo demo`: why gRPC calls pile up on one replica, and how a balancing channel spreads them.
//!
//! Everything in it is real: three server processes on three loopback addresses that share one
//! SQLite file, a DNS server that answers their headless name, and the client's own load engine. Only
//! Kubernetes is missing, and its part (who is ready is in the DNS answer) is played by
//! [`stage::Stage`].
//!
//! | module | what it holds |
//! |---|---|
//! | [`acts`] | the story: what is done and what is claimed |
//! | [`stage`] | the replicas and the name server, kept in step |
//! | [`replicas`] | the server processes |
//! | [`dns`] | the name server |
//! | [`screen`] | what is printed |
//! | [`verdict`] | claims, and whether they held |
//! | [`error`] | why the demo cannot go on, and what to do about it |

mod acts;
mod dns;
mod error;
mod replicas;
mod screen;
mod stage;
mod verdict;

use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::Args;

use self::error::Error;
use self::screen::Screen;
use self::stage::Stage;

/// What an operator may choose.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Three server processes listen on 127.0.0.1, 127.0.0.2 and 127.0.0.3; a DNS server answers their
headless name, as a Kubernetes cluster would. Nothing is left behind, whatever way the demo ends.

Exit codes: 0 when every claim held, 1 when one did not or the demo could not run, 130 after Ctrl-C.

Examples:
  cargo demo
  cargo demo --calls 1000000 --workers 10
  cargo demo --port 6000")]
pub(crate) struct Options {
    /// How many calls acts 1 and 2 make.
    #[arg(long, value_name = "N", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(3..))]
    pub(crate) calls: u64,
    /// How many calls are in flight at the most.
    #[arg(long, value_name = "W", default_value = "10")]
    pub(crate) workers: NonZeroUsize,
    /// The port on which every replica listens.
    #[arg(long, default_value_t = 50051, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,
}

/// Runs the demo and returns its exit code.
pub(crate) fn run(options: &Options) -> ExitCode {
    let screen = Screen::new();
    let result = tokio::runtime::Runtime::new()
        .map_err(Error::Runtime)
        .and_then(|runtime| runtime.block_on(play(options, &screen)));
    match result {
        Ok(verdicts) => {
            screen.conclude(&verdicts);
            if verdicts.all_held() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            screen.fail(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Sets the stage, plays the acts unless Ctrl-C ends them, and clears the stage in either case.
async fn play(options: &Options, screen: &Screen) -> Result<verdict::Verdicts, Error> {
    let interrupted = crate::interrupt::interrupt().map_err(Error::Signals)?;
    tokio::pin!(interrupted);
    let mut stage = Stage::new(options.port).await?;
    let story = acts::play(&mut stage, options, screen);
    let result = tokio::select! {
        result = story => result,
        () = &mut interrupted => Err(Error::Interrupted),
    };
    stage.clear().await;
    result
}
