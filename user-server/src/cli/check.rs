//! `config check` beyond the settings themselves: the files that they name, read as the start reads them.
//! Nothing is served for it, and no port is taken.

use service_runtime::auth;
use service_runtime::chain::Chain;
use service_runtime::telemetry::traces::ExporterError;
use service_runtime::tls::LoadError;

use crate::server;
use crate::settings::Settings;

/// What a check found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// What a start would end with.
    pub(super) errors: Vec<Unusable>,
    /// What is worth a look.
    pub(super) warnings: Vec<String>,
}

/// A file that a start could not use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("the files of the settings under server.tls cannot be used")]
    Tls(#[source] LoadError),
    #[error("the files of the settings under auth cannot be used")]
    Auth(#[source] auth::Error),
    #[error("the files of the settings under telemetry cannot be used")]
    Telemetry(#[source] ExporterError),
    #[error("the descriptors of the served methods cannot be read")]
    Descriptors(#[source] prost::DecodeError),
}

/// Reads every file that the settings name. Must be called on a tokio runtime.
pub(super) fn files(settings: &Settings) -> Findings {
    let mut findings = Findings::default();
    match settings.server.tls.check() {
        Ok(()) => {}
        // Where the server runs, another one may be there by then.
        Err(error @ LoadError::Expired { .. }) => {
            findings.warnings.push(Chain(&error).to_string());
        }
        Err(error) => findings.errors.push(Unusable::Tls(error)),
    }
    match server::methods(settings) {
        Ok(methods) => {
            if let Err(error) = settings.auth.start(&methods) {
                findings.errors.push(Unusable::Auth(error));
            }
        }
        Err(error) => findings.errors.push(Unusable::Descriptors(error)),
    }
    let unusable = settings.telemetry.check().into_iter();
    findings.errors.extend(unusable.map(Unusable::Telemetry));
    findings
}
