//! `resolve`: what a target leads to, asked as the channel asks.

use std::process::ExitCode;

use clap::Args;
use grpc_channel::resolver::Question;

use crate::error::Error;
use crate::output::{self, Format, Resolved};
use crate::settings::{self, Overrides};

/// Show the addresses that a target leads to, as nslookup does, but by the channel's own resolver.
///
/// It asks once, within --timeout, and connects to nothing.
#[derive(Args, Debug)]
#[command(after_help = "\
The exit code is 0 with at least one address, 69 with none, whatever the reason, and 64 for what is
no target.

Examples:
  user-client resolve dns:///user-server-headless.default.svc.cluster.local.:50051
  user-client resolve dns+srv:///_grpc._tcp.user-server-headless.default.svc.cluster.local.
  user-client resolve dns://10.96.0.10/user-server-headless.default.svc.cluster.local.:50051
  user-client resolve --output json | jq -r '.addresses[].address'")]
pub struct Resolve {
    /// What to resolve instead of the target of the settings.
    #[arg(value_name = "TARGET")]
    instead: Option<String>,
}

// === impl Resolve ===

impl Resolve {
    pub(super) async fn run(self, overrides: Overrides, format: Format) -> Result<ExitCode, Error> {
        let overrides = overrides.target(self.instead);
        let settings = settings::load(overrides).map_err(Error::Settings)?.settings;
        service_runtime::logs::init(&settings.log).map_err(Error::Logs)?;
        let target = &settings.target;
        let question = Question::about(target).map_err(|error| Error::Channel {
            target: target.clone(),
            source: error.into(),
        })?;
        let answer = question
            .ask(settings.timeout)
            .await
            .map_err(|source| Error::Resolve {
                target: target.clone(),
                source,
            })?;
        let resolved = Resolved::new(target, &question.source(), &answer);
        output::print(format, &resolved, Resolved::text)?;
        Ok(ExitCode::SUCCESS)
    }
}
