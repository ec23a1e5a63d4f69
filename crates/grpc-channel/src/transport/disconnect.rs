//! Why there is no connection, or no longer one.
//!
//! The cause is kept as a type from the socket up to the status that a caller sees, because
//! "refused", "GOAWAY" and "no answer to a ping" ask for different things from an operator.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use super::tls_failure::TlsFailure;

/// Why a connection could not be made, or was lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Disconnect {
    /// Nobody listens at the address.
    #[error("connection refused")]
    Refused,
    /// The peer, or something between, reset the connection.
    #[error("connection reset")]
    Reset,
    /// The peer closed the connection without saying why.
    #[error("connection closed by the peer")]
    Closed,
    /// The connection was not established in time: no answer to TCP, or none to HTTP/2.
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    /// The peer did not answer a keepalive ping in time.
    #[error("no answer to a keepalive ping within {0:?}")]
    KeepaliveTimeout(Duration),
    /// The peer sent GOAWAY: it drains, or it complains.
    #[error("GOAWAY {code}{}", debug_suffix(.debug))]
    GoAway {
        /// The error code by its name in RFC 9113, section 7; `NO_ERROR` for a drain.
        code: String,
        /// What the peer added for people, made printable.
        debug: String,
    },
    /// The peer does not speak HTTP/2 as RFC 9113 says.
    #[error("HTTP/2 protocol error: {0}")]
    Protocol(String),
    /// TLS failed: the peer is not who it should be, or refuses, or does not speak it.
    #[error("TLS: {reason}")]
    Tls {
        /// What failed.
        reason: TlsFailure,
    },
    /// The operating system gave the connection up, because the peer's host no longer acknowledges
    /// what it is sent.
    #[error("connection timed out")]
    TimedOut,
    /// Another error of the operating system.
    #[error("{0}")]
    Io(String),
}

// === impl Disconnect ===

impl Disconnect {
    /// Whether the peer said that it is going away in an orderly manner.
    #[must_use]
    pub fn is_drain(&self) -> bool {
        matches!(self, Self::GoAway { code, .. } if code == "NO_ERROR")
    }

    /// Whether the peer was pinged more often than it allows (gRFC A8).
    pub(crate) fn is_too_many_pings(&self) -> bool {
        matches!(self, Self::GoAway { code, debug }
            if code == "ENHANCE_YOUR_CALM" && debug == "too_many_pings")
    }

    pub(crate) fn tls(reason: TlsFailure) -> Self {
        Self::Tls { reason }
    }

    /// What an error of a socket says, to tell it in the words that the channel uses.
    #[must_use]
    pub fn from_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Self::Reset,
            io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => Self::Closed,
            io::ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Io(error.to_string()),
        }
    }

    pub(crate) fn from_h2(error: &h2::Error) -> Self {
        if let Some(io) = error.get_io() {
            return Self::from_io(io);
        }
        match error.reason() {
            Some(reason) if error.is_go_away() && error.is_remote() => Self::GoAway {
                code: code_name(reason),
                debug: go_away_debug(error),
            },
            _ => Self::Protocol(deepest(error)),
        }
    }
}

/// The name of an HTTP/2 error code, as RFC 9113 writes it.
pub(crate) fn code_name(reason: h2::Reason) -> String {
    // h2's Debug is the name, and the number for a code that has none.
    format!("{reason:?}")
}

/// h2 gives the debug data of a GOAWAY only as a part of its Display.
fn go_away_debug(error: &h2::Error) -> String {
    let text = error.to_string();
    let quoted = text
        .split_once("b\"")
        .and_then(|(_, rest)| rest.rsplit_once("\")"));
    quoted.map_or_else(String::new, |(data, _)| data.to_owned())
}

fn deepest(error: &h2::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    text
}

fn debug_suffix(debug: &str) -> String {
    if debug.is_empty() {
        String::new()
    } else {
        format!(" ({debug})")
    }
}
