//! The settings of the listener and of its connections.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::settings::Violations;
use crate::tls;

/// Where to listen, and how connections are kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The address and port. Port 0 takes any free one.
    #[serde(with = "crate::settings::address")]
    pub address: SocketAddr,
    /// Plaintext, TLS or mutual TLS, and the files for it.
    pub tls: tls::server::Config,
    /// How long a TLS handshake may take, and after it a peer's first word of HTTP/2. Who says nothing
    /// would hold one of `max_connections`.
    #[serde(with = "crate::settings::duration")]
    pub handshake_timeout: Duration,
    /// How many TLS handshakes run at the same time; further connections wait for their turn within
    /// their time. A handshake costs a thousand times what a call costs.
    pub max_handshakes: usize,
    /// How many connections are served at once; further ones wait in the listener's backlog.
    pub max_connections: usize,
    /// Whether small writes are sent at once (`TCP_NODELAY`). gRPC's calls are small.
    pub tcp_nodelay: bool,
    /// How many calls one connection may have in flight (`SETTINGS_MAX_CONCURRENT_STREAMS`).
    pub max_concurrent_streams: u32,
    /// How long a connection is silent before it is pinged, or `"off"`. Finds peers that vanished.
    #[serde(with = "crate::settings::duration::or_off")]
    pub keepalive_interval: Option<Duration>,
    /// How long a ping may stay unanswered before the connection is closed.
    #[serde(with = "crate::settings::duration")]
    pub keepalive_timeout: Duration,
    /// After which time a connection gets a GOAWAY, ±10 %, or `"off"` (gRFC A9). It makes clients
    /// that do not look for new replicas come back by way of the load balancer.
    #[serde(with = "crate::settings::duration::or_off")]
    pub max_connection_age: Option<Duration>,
    /// After which time without a call a connection gets a GOAWAY, or `"off"` (gRFC A9). Off by
    /// default: a client that balances keeps a connection to every replica, however seldom it calls,
    /// and would only connect again. It is for clients that come and forget to leave.
    #[serde(with = "crate::settings::duration::or_off")]
    pub max_connection_idle: Option<Duration>,
    /// How long the calls of a connection that is too old may still take before they are cut off, or
    /// `"off"` for any time.
    #[serde(with = "crate::settings::duration::or_off")]
    pub max_connection_age_grace: Option<Duration>,
    /// How long a peer may leave an answer unread, by HTTP/2's flow control, before its call is given
    /// up. Whoever reads at all has its time extended; who reads nothing would hold the call's memory
    /// for ever.
    #[serde(with = "crate::settings::duration")]
    pub write_timeout: Duration,
    /// How many bytes a stream may send ahead of the service's reading, in bytes.
    pub initial_stream_window_size: u32,
    /// The same for all streams of a connection together, in bytes.
    pub initial_connection_window_size: u32,
    /// The largest header list that is accepted, in bytes as HPACK counts them.
    pub max_header_list_size: u32,
}

// === impl Config ===

impl Config {
    /// Checks what the types cannot.
    pub fn validate(&self, violations: &mut Violations) {
        // RFC 9113, section 6.9.1.
        const LARGEST_WINDOW: u32 = (1 << 31) - 1;

        let positive = |duration: Option<Duration>| duration.is_none_or(|it| !it.is_zero());
        violations.section("tls", |it| self.tls.validate(it));
        violations.expect(
            !self.handshake_timeout.is_zero(),
            "handshake_timeout",
            "more than zero",
        );
        violations.expect(self.max_handshakes > 0, "max_handshakes", "at least 1");
        violations.expect(self.max_connections > 0, "max_connections", "at least 1");
        violations.expect(
            self.max_concurrent_streams > 0,
            "max_concurrent_streams",
            "at least 1",
        );
        violations.expect(
            positive(self.keepalive_interval),
            "keepalive_interval",
            "more than zero, or \"off\"",
        );
        violations.expect(
            !self.keepalive_timeout.is_zero(),
            "keepalive_timeout",
            "more than zero",
        );
        violations.expect(
            !self.write_timeout.is_zero(),
            "write_timeout",
            "more than zero",
        );
        violations.expect(
            positive(self.max_connection_age),
            "max_connection_age",
            "more than zero, or \"off\"",
        );
        violations.expect(
            positive(self.max_connection_idle),
            "max_connection_idle",
            "more than zero, or \"off\"",
        );
        for (value, name) in [
            (
                self.initial_stream_window_size,
                "initial_stream_window_size",
            ),
            (
                self.initial_connection_window_size,
                "initial_connection_window_size",
            ),
        ] {
            violations.expect(
                (65_535..=LARGEST_WINDOW).contains(&value),
                name,
                "65535 to 2147483647 bytes",
            );
        }
        violations.expect(
            self.max_header_list_size >= 4096,
            "max_header_list_size",
            "at least 4096 bytes",
        );
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::UNSPECIFIED, 50051).into(),
            tls: tls::server::Config::default(),
            handshake_timeout: Duration::from_secs(5),
            max_handshakes: 256,
            max_connections: 10_000,
            tcp_nodelay: true,
            max_concurrent_streams: 256,
            keepalive_interval: Some(Duration::from_secs(30)),
            keepalive_timeout: Duration::from_secs(10),
            max_connection_age: None,
            max_connection_idle: None,
            max_connection_age_grace: Some(Duration::from_secs(30)),
            write_timeout: Duration::from_secs(30),
            initial_stream_window_size: 1 << 20,
            initial_connection_window_size: 4 << 20,
            max_header_list_size: 16 << 10,
        }
    }
}
