//! `doctor`: why calls do not get through, or do not spread.

use std::process::ExitCode;

use clap::Args;

use crate::doctor::{self, Report};
use crate::error::Error;
use crate::output::{self, Format};
use crate::settings::{self, Overrides};

/// Find out why calls do not get through, or do not spread, and say what to do next.
///
/// It resolves the target, tries each address (TCP, TLS, HTTP/2, health), and makes a few dozen calls
/// that read. One line tells of each question: ✓ all is well, ✗ it is not, • it was not asked, since
/// it does not apply or something before it failed.
#[derive(Args, Debug)]
#[command(after_help = "\
The exit code is 0 when all is well, 1 when something is not, and 64 for wrong arguments, settings
or no target at all.

Each step with an address may take channel.connect_timeout, and each look-up, health check and call
--timeout, or 5s if that is less. Addresses are tried side by side, 256 at the most.

Examples:
  user-client doctor dns:///user-server-headless.default.svc.cluster.local.:50051
  user-client doctor --tls --tls-ca ca.crt --tls-certificate tls.crt --tls-private-key tls.key
  kubectl exec deploy/user-client -- /user-client doctor --config /etc/user-client/config.toml
  user-client doctor --output json | jq '.findings[] | select(.outcome == \"failed\")'")]
pub struct Doctor {
    /// What to examine instead of the target of the settings.
    #[arg(value_name = "TARGET")]
    instead: Option<String>,
}

// === impl Doctor ===

impl Doctor {
    pub(super) async fn run(self, overrides: Overrides, format: Format) -> Result<ExitCode, Error> {
        let overrides = overrides.target(self.instead);
        let settings = settings::load(overrides).map_err(Error::Settings)?.settings;
        service_runtime::logs::init(&settings.log).map_err(Error::Logs)?;
        let report = doctor::examine(&settings)
            .await
            .map_err(|source| Error::Channel {
                target: settings.target.clone(),
                source,
            })?;
        output::print(format, &report, Report::text)?;
        Ok(if report.is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}
