//! What a channel knows of its targets, as JSON: what gRPC's channelz shows.

use grpc_channel::{Stats, SubchannelStats};
use serde::Serialize;
use service_runtime::chain::Chain;

/// One target. The others, in order of priority, are below the first.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    target: String,
    in_use: bool,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolve_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_seconds_ago: Option<f64>,
    subchannels: Vec<Subchannel>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fallbacks: Vec<Self>,
}

/// One replica.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Subchannel {
    address: String,
    state: String,
    ejected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_disconnect: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unhealthy: Option<String>,
    connections: u64,
    open_connections: usize,
    calls_started: u64,
    calls_succeeded: u64,
    calls_failed: u64,
    calls_cancelled: u64,
    calls_in_flight: u64,
}

// === impl Shown ===

impl From<&Stats> for Shown {
    fn from(stats: &Stats) -> Self {
        let error = stats.resolve_error.as_ref();
        Self {
            target: stats.target.clone(),
            in_use: stats.in_use,
            state: stats.state.to_string(),
            resolve_error: error.map(|it| Chain(it).to_string()),
            resolved_seconds_ago: stats.resolved_age.map(|it| it.as_secs_f64()),
            subchannels: stats.subchannels.iter().map(Subchannel::from).collect(),
            fallbacks: stats.fallbacks.iter().map(Self::from).collect(),
        }
    }
}

// === impl Subchannel ===

impl From<&SubchannelStats> for Subchannel {
    fn from(stats: &SubchannelStats) -> Self {
        let disconnect = stats.last_disconnect.as_ref();
        Self {
            address: stats.address.to_string(),
            state: stats.state.to_string(),
            ejected: stats.ejected,
            last_disconnect: disconnect.map(|it| Chain(it).to_string()),
            unhealthy: stats.unhealthy.as_ref().map(|it| Chain(it).to_string()),
            connections: stats.connections,
            open_connections: stats.open_connections,
            calls_started: stats.calls_started,
            calls_succeeded: stats.calls_succeeded,
            calls_failed: stats.calls_failed,
            calls_cancelled: stats.calls_cancelled,
            calls_in_flight: stats.calls_in_flight,
        }
    }
}
