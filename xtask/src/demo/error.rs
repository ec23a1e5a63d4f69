//! Why the demo cannot go on, and what to do about it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use user_client::load::prepare::PrepareError;

/// Why the demo ended before its story did.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Somebody else listens where a replica should.
    #[error(
        "{address} is taken by another process.\n\
         Choose another port for the replicas: cargo demo --port {}",
        other_port(address.port())
    )]
    PortTaken {
        /// The replica's address.
        address: SocketAddr,
    },
    /// Linux answers on all of 127.0.0.0/8; macOS on 127.0.0.1 only.
    #[error(
        "{address} is no address of this machine.\n\
         The demo needs three loopback addresses; on macOS add the missing ones until the next \
         start:\n\n  sudo ifconfig lo0 alias 127.0.0.2\n  sudo ifconfig lo0 alias 127.0.0.3"
    )]
    NoLoopbackAlias {
        /// The missing address.
        address: Ipv4Addr,
    },
    /// The system refuses the address for another reason.
    #[error("{address} cannot be listened on; another port may do: cargo demo --port {}", other_port(address.port()))]
    Listen {
        /// The replica's address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A replica ended, or did not become ready.
    #[error("replica {address} {what}.\nThe end of its log:\n\n{log}")]
    Replica {
        /// The replica's address.
        address: SocketAddr,
        /// What it did.
        what: ReplicaFailure,
        /// The last lines of its standard error.
        log: String,
    },
    /// A process could not be started or reached.
    #[error("the process of replica {address} cannot be {action}")]
    Process {
        /// The replica's address.
        address: SocketAddr,
        /// What was to be done with it.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// No directory for the database and the logs.
    #[error("no temporary directory can be made")]
    Directory(#[source] io::Error),
    /// The name server could not start.
    #[error("the name server cannot start")]
    Dns(#[source] super::dns::Error),
    /// The client's channel could not be made.
    #[error("the client's channel cannot be made")]
    Channel(#[source] user_client::connect::Error),
    /// A call that every act needs failed.
    #[error("the replicas are ready, but do not answer")]
    Prepare(#[source] PrepareError),
    /// The client did not connect to the replicas that the name server answers with.
    #[error("the client is not connected to {expected} replicas after {after:?}, but so:\n{seen}")]
    NotConnected {
        /// How many should be READY.
        expected: usize,
        /// How long it was waited for.
        after: Duration,
        /// What the channel knows.
        seen: String,
    },
    /// Ctrl-C or SIGTERM.
    #[error("interrupted; the replicas are stopped")]
    Interrupted,
    /// Signals cannot be listened to.
    #[error("signals cannot be listened to")]
    Signals(#[source] io::Error),
    /// The asynchronous runtime cannot start.
    #[error("the asynchronous runtime cannot start")]
    Runtime(#[source] io::Error),
}

/// What a replica did instead of serving.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplicaFailure {
    /// Its process ended.
    #[error("ended by itself ({0})")]
    Ended(std::process::ExitStatus),
    /// It never said SERVING.
    #[error("did not become ready within {0:?}")]
    NotReady(Duration),
    /// It did not end when it was asked to.
    #[error("did not end within {0:?} of SIGTERM")]
    DoesNotEnd(Duration),
}

// === impl Error ===

impl Error {
    /// 130 for an interrupt, as shells have it, and 1 otherwise.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted => 130,
            _ => 1,
        }
    }
}

/// A port that is likely to be free, unlike this one.
const fn other_port(port: u16) -> u16 {
    match port.checked_add(1000) {
        Some(port) => port,
        None => port - 1000,
    }
}
