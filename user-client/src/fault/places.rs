//! Where the ops listeners are: those that were named, or one for each address of the target.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use grpc_channel::resolver::{Address, Question};

use crate::error::Error;
use crate::settings::Settings;

/// The ops listener of one replica.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// An address that the target led to.
    Address(SocketAddr),
    /// As it was named: `HOST:PORT`.
    Named(String),
}

/// Every replica's ops listener. The target is asked for once, within the settings' timeout; replicas of
/// one IP address share an ops port, as the replicas of one machine never do.
///
/// # Errors
/// When the target leads to nothing, or to no IP address.
pub async fn places(
    settings: &Settings,
    named: &[String],
    ops_port: u16,
) -> Result<Vec<Place>, Error> {
    if !named.is_empty() {
        return Ok(named.iter().cloned().map(Place::Named).collect());
    }
    let target = &settings.target;
    let question = Question::about(target).map_err(|error| Error::Channel {
        target: target.clone(),
        source: error.into(),
    })?;
    let answer = question.ask(settings.timeout).await;
    let answer = answer.map_err(|source| Error::Resolve {
        target: target.clone(),
        source,
    })?;
    let addresses = answer.endpoints.iter().filter_map(|it| ip(&it.address));
    let mut places: Vec<Place> = addresses
        .map(|ip| Place::Address((ip, ops_port).into()))
        .collect();
    places.sort();
    places.dedup();
    if places.is_empty() {
        return Err(Error::NoOpsAddress(target.clone()));
    }
    Ok(places)
}

fn ip(address: &Address) -> Option<IpAddr> {
    match address {
        Address::Socket(address) => Some(address.ip()),
        _ => None,
    }
}

// === impl Place ===

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Named(name) => name.fmt(f),
        }
    }
}
