//! What a target was resolved to, as text and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use grpc_channel::resolver::{Endpoint, Resolution, Source};
use serde::Serialize;

use super::printable;

/// The result of `resolve`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolved<'a> {
    target: &'a str,
    /// The question, in words.
    asked: String,
    /// The name that has the addresses, where the search domains decided which one it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_seconds: Option<u64>,
    addresses: Vec<Found<'a>>,
}

/// One address; `weight` and `zone` only where the resolver knows them.
#[derive(Debug, Serialize)]
struct Found<'a> {
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<&'a str>,
}

// === impl Resolved ===

impl<'a> Resolved<'a> {
    /// The answer to the question that `target` asks.
    #[must_use]
    pub fn new(target: &'a str, source: &Source, answer: &'a Resolution) -> Self {
        Self {
            target,
            asked: source.to_string(),
            name: answer.name.as_deref(),
            count: answer.endpoints.len(),
            ttl_seconds: answer.ttl.map(|ttl| ttl.as_secs()),
            addresses: answer.endpoints.iter().map(Found::from).collect(),
        }
    }

    /// The question, one line for each address, and how many there are for how long.
    ///
    /// Ends without a line break.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("asked  {}\n", printable(&self.asked));
        if let Some(name) = self.name {
            let _infallible = writeln!(text, "name   {}", printable(name));
        }
        for found in &self.addresses {
            let _infallible = write!(text, "       {}", printable(&found.address));
            if let Some(weight) = found.weight {
                let _infallible = write!(text, "  weight {weight}");
            }
            if let Some(zone) = found.zone {
                let _infallible = write!(text, "  zone {}", printable(zone));
            }
            text.push('\n');
        }
        text.push_str(&addresses(self.count));
        if let Some(seconds) = self.ttl_seconds {
            let ttl = super::duration(Duration::from_secs(seconds));
            let _infallible = write!(text, ", TTL {ttl}");
        }
        text
    }
}

/// So many addresses, in words.
pub(crate) fn addresses(count: usize) -> String {
    if count == 1 {
        "1 address".to_owned()
    } else {
        format!("{count} addresses")
    }
}

// === impl Found ===

impl<'a> From<&'a Endpoint> for Found<'a> {
    fn from(endpoint: &'a Endpoint) -> Self {
        Self {
            address: endpoint.address.to_string(),
            weight: Some(endpoint.weight).filter(|weight| *weight != 1),
            zone: endpoint.zone.as_deref(),
        }
    }
}
