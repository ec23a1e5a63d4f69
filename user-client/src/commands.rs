//! The sub-commands, one file each, and what they share.

mod config;
mod create;
mod get;
mod list;
mod load;
mod session;

use std::process::ExitCode;

pub use self::config::Config;
pub use self::create::Create;
pub use self::get::Get;
pub use self::list::List;
pub use self::load::Load;
use self::session::Session;
use crate::cli::{CallCommand, Cli, Command};
use crate::error::Error;
use crate::settings;

/// Does what the command line says.
///
/// # Errors
/// Whatever keeps the command from its result; see [`Error`].
pub async fn run(cli: Cli) -> Result<ExitCode, Error> {
    let format = cli.settings.output.unwrap_or_default();
    let overrides = cli.settings.into();
    let command = match cli.command {
        Command::Config(config) => return config.run(overrides),
        Command::Call(call) => call,
    };
    let loaded = settings::load(overrides).map_err(Error::Settings)?;
    service_runtime::logs::init(&loaded.settings.log).map_err(Error::Logs)?;
    let mut session = Session::open(loaded.settings, format)?;
    match command {
        CallCommand::Get(get) => get.run(&mut session).await?,
        CallCommand::Create(create) => create.run(&mut session).await?,
        CallCommand::List(list) => list.run(&mut session).await?,
        CallCommand::Load(load) => return load.run(session).await,
    }
    Ok(ExitCode::SUCCESS)
}
