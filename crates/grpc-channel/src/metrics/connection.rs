//! What a connection is counted with (gRFC A94).

use std::sync::Arc;

use opentelemetry::KeyValue;

use super::Channel;
use crate::transport::Disconnect;

/// Counts a connection as open for as long as it takes calls. When it is dropped, the subchannel has
/// closed the connection of its own accord.
#[derive(Debug)]
pub(crate) struct OpenConnection(Option<Arc<Channel>>);

/// The codes that a GOAWAY may have, by RFC 9113, section 7; another would be a label of its own.
const GO_AWAY_CODES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

// === impl OpenConnection ===

impl OpenConnection {
    pub(super) fn new(channel: Option<Arc<Channel>>) -> Self {
        if let Some(channel) = &channel {
            let target = std::slice::from_ref(&channel.target);
            let instruments = &channel.instruments;
            instruments.connection_attempts_succeeded.add(1, target);
            instruments.open_connections.add(1, target);
        }
        Self(channel)
    }

    /// It was lost, or takes no more calls.
    pub(crate) fn lost(mut self, cause: &Disconnect) {
        self.end(|| disconnect_error(cause));
    }

    /// The subchannel has no more use for it.
    pub(crate) fn closed(self) {
        drop(self);
    }

    fn end(&mut self, error: impl FnOnce() -> String) {
        let Some(channel) = self.0.take() else { return };
        let target = std::slice::from_ref(&channel.target);
        channel.instruments.open_connections.add(-1, target);
        let error = KeyValue::new("grpc.disconnect_error", error());
        let labels = [channel.target.clone(), error];
        channel.instruments.disconnections.add(1, &labels);
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.end(|| "subchannel shutdown".to_owned());
    }
}

/// The value of `grpc.disconnect_error`, of which A94 allows only some.
fn disconnect_error(cause: &Disconnect) -> String {
    match cause {
        Disconnect::GoAway { code, .. } if GO_AWAY_CODES.contains(&code.as_str()) => {
            format!("GOAWAY {code}")
        }
        Disconnect::Reset => "connection reset".to_owned(),
        Disconnect::TimedOut | Disconnect::KeepaliveTimeout(_) | Disconnect::ConnectTimeout(_) => {
            "connection timed out".to_owned()
        }
        Disconnect::Refused | Disconnect::Io(_) => "socket error".to_owned(),
        Disconnect::GoAway { .. }
        | Disconnect::Closed
        | Disconnect::Protocol(_)
        | Disconnect::Tls { .. } => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_cause_has_one_of_the_labels_that_a94_allows() {
        let go_away = |code: &str| Disconnect::GoAway {
            code: code.to_owned(),
            debug: "whatever a peer says".to_owned(),
        };
        for (cause, expected) in [
            (go_away("ENHANCE_YOUR_CALM"), "GOAWAY ENHANCE_YOUR_CALM"),
            (go_away("Hex(4711)"), "unknown"),
            (Disconnect::Reset, "connection reset"),
            (
                Disconnect::KeepaliveTimeout(Duration::from_secs(20)),
                "connection timed out",
            ),
            (Disconnect::TimedOut, "connection timed out"),
            (
                Disconnect::Io("no route to host".to_owned()),
                "socket error",
            ),
            (Disconnect::Closed, "unknown"),
        ] {
            assert_eq!(disconnect_error(&cause), expected, "{cause}");
        }
    }
}
