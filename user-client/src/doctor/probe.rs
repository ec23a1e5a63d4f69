//! One address, taken as far as it goes: TCP, TLS, HTTP/2, health.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use grpc_channel::resolver::{Address, Endpoint};
use grpc_channel::{Disconnect, Tls, TlsFailure};

use super::health::Health;
use super::tls::{Identity, Secured};
use super::{connection, health, http2, tls};
use crate::connect;
use crate::settings::Settings;

/// How many addresses are tried: enough to see what is wrong with the others.
const MOST: usize = 256;

/// How many of them at the same time.
const AT_ONCE: usize = 32;

/// What became of an address; a step that was not taken is `None`.
#[derive(Clone, Debug)]
pub struct Probed {
    /// Which.
    pub address: Address,
    /// Whether it accepts.
    pub connection: Result<(), Disconnect>,
    /// Whether it is who it should be; `None` also where plaintext is spoken.
    pub tls: Option<Result<Secured, TlsFailure>>,
    /// Whether it speaks HTTP/2.
    pub http2: Option<Result<(), http2::Failure>>,
    /// What it says of itself.
    pub health: Option<Health>,
}

/// How addresses are tried.
pub(super) struct Probe<'a> {
    pub(super) settings: &'a Settings,
    /// Both are there, or none.
    pub(super) identity: Option<(Identity, Tls)>,
    /// How long health may take; the other steps take the settings' connect timeout at the most.
    pub(super) patience: Duration,
}

// === impl Probed ===

impl Probed {
    /// An address that accepts, of which nothing else is known.
    pub(super) fn connected(address: Address) -> Self {
        Self {
            address,
            connection: Ok(()),
            tls: None,
            http2: None,
            health: None,
        }
    }

    /// Whether calls can be made to it.
    #[must_use]
    pub fn takes_calls(&self) -> bool {
        matches!(self.http2, Some(Ok(())))
    }
}

// === impl Probe ===

impl Probe<'_> {
    /// The first addresses, each as far as it goes, in order.
    pub(super) async fn all(&self, endpoints: &[Endpoint]) -> Vec<Probed> {
        stream::iter(endpoints.iter().take(MOST))
            .map(|endpoint| self.one(endpoint))
            .buffered(AT_ONCE)
            .collect()
            .await
    }

    async fn one(&self, endpoint: &Endpoint) -> Probed {
        let patience = self.settings.channel.connect_timeout;
        let mut probed = Probed::connected(endpoint.address.clone());
        let mut stream = match connection::open(&endpoint.address, patience).await {
            Ok(stream) => stream,
            Err(error) => {
                probed.connection = Err(error);
                return probed;
            }
        };
        if let Some((identity, _)) = &self.identity {
            match tls::shake_hands(stream, identity, patience).await {
                Ok((secure, secured)) => {
                    stream = secure;
                    probed.tls = Some(Ok(secured));
                }
                Err(failure) => {
                    probed.tls = Some(Err(failure));
                    return probed;
                }
            }
        }
        probed.http2 = match http2::ask(stream, patience).await {
            Err(http2::Failure::Refused(failure)) => {
                probed.tls = Some(Err(failure));
                None
            }
            answer => Some(answer),
        };
        if probed.takes_calls() {
            probed.health = self.health(endpoint).await;
        }
        probed
    }

    /// `None` when there can be no channel, which the one of all addresses then says as well.
    async fn health(&self, endpoint: &Endpoint) -> Option<Health> {
        let channel = self.channel(endpoint).ok()?;
        Some(health::ask(channel, self.patience).await)
    }

    /// A channel to one address.
    pub(super) fn channel(&self, endpoint: &Endpoint) -> Result<connect::Channel, connect::Error> {
        let tls = self.identity.as_ref().map(|(_, tls)| tls.clone());
        connect::connect_to(self.settings, tls, endpoint.clone())
    }
}
