//! The sub-commands, one file each, and what they share.

mod batch_get;
mod completions;
mod config;
mod create;
mod delete;
mod doctor;
mod fault;
mod get;
mod import;
mod list;
mod load;
mod lookup;
mod man;
mod resolve;
mod session;
mod update;
mod watch;

use std::process::ExitCode;

use service_runtime::logs::Logs;
use service_runtime::telemetry::metrics::Exporter;
use service_runtime::telemetry::{self, Telemetry, logs::Records, traces::Traces};
use tokio_util::task::AbortOnDropHandle;

pub use self::batch_get::BatchGet;
pub use self::completions::Completions;
pub use self::config::Config;
pub use self::create::Create;
pub use self::delete::Delete;
pub use self::doctor::Doctor;
pub use self::fault::Fault;
pub use self::get::Get;
pub use self::import::Import;
pub use self::list::List;
pub use self::load::Load;
pub use self::lookup::Lookup;
pub use self::man::Man;
pub use self::resolve::Resolve;
use self::session::Session;
pub use self::update::Update;
pub use self::watch::Watch;
use crate::cli::{CallCommand, Cli, Command};
use crate::error::Error;
use crate::output::Format;
use crate::settings::{Overrides, Settings};
use crate::{ops, settings, sidecar};

/// What SIGUSR1 shows more of: this program and its channel.
const OURS: &[&str] = &["grpc_channel", "service_runtime", env!("CARGO_CRATE_NAME")];

/// Who is told what becomes of the calls.
struct Observed<'a> {
    traces: &'a Traces,
    telemetry: Option<&'a Telemetry>,
    ops: Option<ops::Bound>,
    logs: Logs,
}

/// Does what the command line says.
///
/// # Errors
/// Whatever keeps the command from its result; see [`Error`].
pub async fn run(cli: Cli) -> Result<ExitCode, Error> {
    let format = cli.settings.output.unwrap_or_default();
    let overrides: Overrides = cli.settings.into();
    let command = match cli.command {
        Command::Config(config) => return config.run(overrides),
        Command::Completions(completions) => {
            return completions.run().map(|()| ExitCode::SUCCESS);
        }
        Command::Man(man) => return man.run().map(|()| ExitCode::SUCCESS),
        Command::Doctor(doctor) => return doctor.run(overrides, format).await,
        Command::Fault(fault) => return fault.run(overrides, format).await,
        Command::Resolve(resolve) => return resolve.run(overrides, format).await,
        Command::Call(call) => call,
    };
    let lasts = command.lasts();
    let overrides = overrides.ops_address(command.ops_address().cloned());
    let loaded = settings::load(overrides).map_err(Error::Settings)?;
    let logs = service_runtime::logs::init(&loaded.settings.log).map_err(Error::Logs)?;
    logs.listen_to_signals(OURS).map_err(Error::Signals)?;
    let (to, service) = (&loaded.settings.telemetry, service());
    // A command that is soon over is looked at by nobody, and might meet the port of one that lasts.
    let ops = if lasts {
        loaded.settings.ops.bind().map_err(Error::Ops)?
    } else {
        None
    };
    let is_measured = ops.is_some() || to.metrics.exporter == Exporter::Otlp;
    let telemetry = is_measured.then(|| Telemetry::start(to, &service));
    let telemetry = telemetry.transpose().map_err(Error::Telemetry)?;
    let meter = telemetry.as_ref().map(Telemetry::meter);
    let records = Records::start(to, &service, meter.as_ref(), Some(&logs));
    let records = records.map_err(Error::Records)?;
    let traces = Traces::start(to, &service, meter.as_ref()).map_err(Error::Traces)?;
    let observed = Observed {
        traces: &traces,
        telemetry: telemetry.as_ref(),
        ops,
        logs,
    };
    let result = call(command, loaded.settings, observed, format).await;
    // The last spans are those that one wants to read about.
    tokio::join!(traces.flush(), records.flush(), async {
        if let Some(telemetry) = &telemetry {
            telemetry.flush().await;
        }
    });
    result
}

/// Who makes the calls, for those who read of them elsewhere.
fn service() -> telemetry::Service {
    telemetry::Service {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        // A run has no other name.
        instance: format!("{:032x}", fastrand::u128(..)),
    }
}

async fn call(
    command: CallCommand,
    settings: Settings,
    observed: Observed<'_>,
    format: Format,
) -> Result<ExitCode, Error> {
    let balances = !settings.mesh;
    let Observed {
        traces,
        telemetry,
        ops,
        logs,
    } = observed;
    let mut session = Session::open(settings, traces, telemetry, format).await?;
    let ops = ops.zip(telemetry);
    let _ops =
        ops.map(|(ops, telemetry)| ops.serve(&session.channel, telemetry.clone(), Some(logs)));
    // It says what it finds, if anything, and holds nobody up.
    let _looking =
        balances.then(|| AbortOnDropHandle::new(tokio::spawn(sidecar::warn(&sidecar::PLACES))));
    match command {
        CallCommand::Get(get) => get.run(&mut session).await?,
        CallCommand::BatchGet(batch_get) => return batch_get.run(&mut session).await,
        CallCommand::Create(create) => create.run(&mut session).await?,
        CallCommand::List(list) => list.run(&mut session).await?,
        CallCommand::Update(update) => update.run(&mut session).await?,
        CallCommand::Delete(delete) => delete.run(&mut session).await?,
        CallCommand::Watch(watch) => watch.run(&mut session).await?,
        CallCommand::Lookup(lookup) => return lookup.run(&mut session).await,
        CallCommand::Import(import) => return import.run(&mut session).await,
        CallCommand::Load(load) => return load.run(session).await,
    }
    Ok(ExitCode::SUCCESS)
}

// === impl CallCommand ===

impl CallCommand {
    /// Whether it goes on for as long as somebody may want to look at it.
    const fn lasts(&self) -> bool {
        matches!(self, Self::Load(_) | Self::Watch(_))
    }

    /// The ops listener that it was given.
    fn ops_address(&self) -> Option<&String> {
        match self {
            Self::Load(load) => load.ops_address(),
            Self::Watch(watch) => watch.ops_address(),
            _ => None,
        }
    }
}
