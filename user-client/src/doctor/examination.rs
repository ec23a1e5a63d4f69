//! All questions in their order; every one has a bound, so that the whole has one.

use std::collections::BTreeSet;
use std::time::Duration;

use grpc_channel::Tls;
use grpc_channel::resolver;
use jiff::Timestamp;
use rustls::pki_types::ServerName;
use service_runtime::chain::Chain;
use service_runtime::tls::LoadError;

use super::finding::{Finding, Question};
use super::kubectl::Place;
use super::probe::{Probe, Probed};
use super::report::Report;
use super::search::Search;
use super::tls::Identity;
use super::{
    certificate, cluster_ip, connection, health, http2, name, search, sidecar, spread, tls,
};
use crate::connect::{self, connect};
use crate::settings::Settings;
use crate::sidecar::PLACES;

/// How long a look-up, a health check or a call may take, if the settings do not say less.
const LONGEST: Duration = Duration::from_secs(5);

/// Asks every question about the target of `settings`, and none about its fallbacks.
///
/// A connection, a handshake and the first answer over HTTP/2 may take `channel.connect_timeout` each;
/// everything else `timeout`, or five seconds if that is less. Addresses are tried side by side.
///
/// # Errors
/// When the settings cannot be used; what they lead to is a finding and no error.
pub async fn examine(settings: &Settings) -> Result<Report, connect::Error> {
    let settings = &Settings {
        fallbacks: Vec::new(),
        ..settings.clone()
    };
    let question = resolver::Question::about(&settings.target)?;
    let patience = settings.timeout.min(LONGEST);
    let source = question.source();
    let search = Search::of_system();
    let domains = search.as_ref().map(Search::domains).unwrap_or_default();
    let place = Place::of(&source, &domains);
    let place = place.as_ref();

    let looking = crate::sidecar::find(&PLACES);
    let (answer, sidecar) = tokio::join!(question.ask(patience), looking);
    let sidecar = || sidecar::verdict(sidecar.as_ref(), settings.mesh);
    let found = answer
        .as_ref()
        .ok()
        .and_then(|answer| answer.name.as_deref());
    let mut findings = vec![
        name::verdict(&source, &answer, place),
        search::verdict(&source, found, search.as_ref()),
    ];
    let endpoints = answer.map(|answer| answer.endpoints).unwrap_or_default();

    let name = certificate_name(settings, question.host());
    let identity = match identity(settings, &name).await {
        Ok(identity) => identity,
        Err(connect::Error::Tls(error)) => {
            findings.extend([unusable(&error), sidecar()]);
            return Ok(Report::new(&settings.target, findings, &[]));
        }
        Err(error) => return Err(error),
    };
    let probe = Probe {
        settings,
        identity,
        patience,
    };
    let probed = probe.all(&endpoints).await;
    let only = match &endpoints[..] {
        [only] => Some(cluster_ip::Facts {
            names: cluster_ip::names(&only.address, &source, patience).await,
            answered: if probed.iter().any(Probed::takes_calls) {
                cluster_ip::answered(&probe, only).await
            } else {
                BTreeSet::new()
            },
        }),
        _ => None,
    };
    let calls = if probed.iter().any(Probed::takes_calls) {
        let connecting = settings.channel.connect_timeout;
        Some(spread::ask(connect(settings).await?, connecting, patience).await)
    } else {
        None
    };
    findings.extend([
        cluster_ip::verdict(
            &source,
            endpoints.len(),
            only.as_ref(),
            place,
            settings.mesh,
        ),
        connection::verdict(&probed, endpoints.len(), place),
    ]);
    if settings.tls.enabled {
        findings.extend([
            tls::verdict(&probed, &name, place),
            certificate::verdict(&probed, Timestamp::now()),
        ]);
    } else {
        let plaintext = || "plaintext: tls.enabled is false";
        findings.extend([
            Finding::skipped(Question::Tls, plaintext()),
            Finding::skipped(Question::Certificate, plaintext()),
        ]);
    }
    findings.extend([
        http2::verdict(&probed, place),
        health::verdict(&probed, place),
        spread::verdict(calls.as_ref(), settings.mesh),
        sidecar(),
    ]);
    Ok(Report::new(&settings.target, findings, &probed))
}

/// The name that certificates must have.
fn certificate_name(settings: &Settings, host: &str) -> String {
    let name = match settings.tls.server_name.as_str() {
        "" => host,
        name => name,
    };
    name.trim_matches(['[', ']'])
        .trim_end_matches('.')
        .to_owned()
}

/// How TLS is spoken, if it is: read once, for all addresses.
async fn identity(
    settings: &Settings,
    name: &str,
) -> Result<Option<(Identity, Tls)>, connect::Error> {
    let Some(files) = settings.tls.identity().await? else {
        return Ok(None);
    };
    let config = files.current();
    let tls = Tls::new(config.as_ref().clone()).server_name(name);
    let name = ServerName::try_from(name.to_owned()).map_err(connect::Error::ServerName)?;
    Ok(Some((Identity { config, name }, tls)))
}

/// The files of TLS, or the Workload API, which have no use.
fn unusable(error: &LoadError) -> Finding {
    Finding::failed(
        Question::Tls,
        Chain(error).to_string(),
        vec![
            "the settings tls.ca, tls.certificate and tls.private_key name the files; with \
             tls.source = \"spiffe\" tls.spiffe_endpoint names the socket"
                .to_owned(),
        ],
    )
}
