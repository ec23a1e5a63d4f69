//! From settings to the channel that every command uses.

use grpc_channel::resolver::{Endpoint, Publisher, Resolve};
use grpc_channel::{Builder, Keepalive, Policy, Tls};
pub use grpc_channel::{Channel, State};
use rustls::pki_types::InvalidDnsNameError;
use service_runtime::telemetry::Telemetry;
use service_runtime::telemetry::traces::Traces;
use service_runtime::tls::{self, LoadError};

use crate::credentials;
use crate::settings::Settings;

/// Why there can be no channel.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The target or a setting of the channel is wrong.
    #[error(transparent)]
    Channel(#[from] grpc_channel::Error),
    /// See the source.
    #[error("there is no identity for TLS; the settings under tls say where it comes from")]
    Tls(#[from] LoadError),
    /// See the source.
    #[error("no certificate can be for the name that tls.server_name or the target says")]
    ServerName(#[source] InvalidDnsNameError),
    /// See the source.
    #[error("the credentials, which the settings under credentials name, cannot be used")]
    Credentials(#[from] credentials::Error),
}

/// The one replica that a channel leads to.
struct Only(Endpoint);

/// Opens the channel. Connections are made in the background; only an identity of the SPIFFE Workload
/// API is waited for. With TLS, new connections use what the files or that API hold at their time, for
/// as long as the runtime lives. Cancel-safe.
///
/// # Errors
/// When the target has no form that the channel knows, a setting is not acceptable, a file cannot be
/// used, or the Workload API gives nothing within half a minute.
pub async fn connect(settings: &Settings) -> Result<Channel, Error> {
    open(settings, builder(settings, secure(&settings.tls).await?)?)
}

/// The same, and calls have spans, as far as these traces want them, and are measured, if somebody is to
/// know.
///
/// # Errors
/// As [`connect`].
pub async fn connect_traced(settings: &Settings, traces: &Traces) -> Result<Channel, Error> {
    connect_observed(settings, traces, None).await
}

/// The same, and the channel is measured, if there is anything to measure it with.
///
/// # Errors
/// As [`connect`].
pub async fn connect_observed(
    settings: &Settings,
    traces: &Traces,
    telemetry: Option<&Telemetry>,
) -> Result<Channel, Error> {
    let mut builder = builder(settings, secure(&settings.tls).await?)?;
    if let Some(telemetry) = telemetry {
        builder = builder.meter_provider(telemetry.provider());
    }
    let builder = builder.text_map_propagator(traces.propagation().clone());
    match traces.provider() {
        Some(provider) => open(settings, builder.tracer_provider(provider)),
        None => open(settings, builder),
    }
}

fn open(settings: &Settings, mut builder: Builder) -> Result<Channel, Error> {
    for fallback in &settings.fallbacks {
        builder = builder.fallback(fallback);
    }
    Ok(builder.connect()?)
}

/// Opens a channel to one replica, under the target's name; for those who want to know how that one is.
///
/// Needs a tokio runtime.
///
/// # Errors
/// As [`connect`].
pub fn connect_to(
    settings: &Settings,
    tls: Option<Tls>,
    replica: Endpoint,
) -> Result<Channel, Error> {
    Ok(builder(settings, tls)?.connect_with(Only(replica))?)
}

fn builder(settings: &Settings, tls: Option<Tls>) -> Result<Builder, Error> {
    let channel = &settings.channel;
    let mut builder = Channel::builder(&settings.target)
        .user_agent(concat!(
            env!("CARGO_PKG_NAME"),
            "/",
            env!("CARGO_PKG_VERSION")
        ))
        .descriptors(user_api::FILE_DESCRIPTOR_SET)
        .wait_for_ready(settings.wait_for_ready)
        .connect_timeout(channel.connect_timeout)
        .keepalive(channel.keepalive_time.map(|time| Keepalive {
            time,
            timeout: channel.keepalive_timeout,
            without_calls: channel.keepalive_without_calls,
        }))
        .dns_interval(channel.dns_interval_min, channel.dns_interval_max);
    if !channel.service_config.is_empty() {
        builder = builder.service_config(&channel.service_config);
    }
    if settings.mesh {
        builder = builder
            .policy(Policy::PickFirst { shuffle: false })
            .retry(None);
    }
    if let Some(tls) = tls {
        builder = builder.tls(tls);
    }
    Ok(settings.credentials.apply(builder)?)
}

/// TLS that follows its files, or the Workload API.
async fn secure(config: &tls::client::Config) -> Result<Option<Tls>, LoadError> {
    let Some(mut identity) = config.identity().await? else {
        return Ok(None);
    };
    let mut tls = Tls::new(identity.current().as_ref().clone());
    if !config.server_name.is_empty() {
        tls = tls.server_name(&config.server_name);
    }
    let followed = tls.clone();
    tokio::spawn(async move {
        loop {
            followed.swap(identity.changed().await.as_ref().clone());
        }
    });
    Ok(Some(tls))
}

// === impl Only ===

impl Resolve for Only {
    async fn run(self, publisher: Publisher) {
        publisher.publish(Ok(vec![self.0])).await;
    }
}

// === impl Error ===

impl Error {
    /// Whether the target has no form that the channel knows.
    #[must_use]
    pub fn is_bad_target(&self) -> bool {
        matches!(self, Self::Channel(error) if error.is_bad_target())
    }
}
