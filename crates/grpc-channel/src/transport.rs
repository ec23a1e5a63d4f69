//! One HTTP/2 connection: made, proved, driven, and used by many calls at once.
//!
//! It is built on `h2`, which is also what hyper's HTTP/2 client is built on, and not on hyper
//! itself: hyper hides the GOAWAY until the last stream has ended, puts a queue and a spawned task
//! between a call and its stream, and reports a lost connection as text (docs/adr/0004).

mod connection;
mod disconnect;
mod keepalive;
mod metered;
mod outgoing;
mod response;
mod stream_error;

use std::time::Duration;

use tokio::net::TcpStream;

pub(crate) use self::connection::{Connection, Driver};
pub use self::disconnect::Disconnect;
pub use self::keepalive::Keepalive;
pub(crate) use self::response::Committed;
pub use self::response::ResponseBody;
pub(crate) use self::stream_error::{Failure, Progress};
use crate::resolver::Address;

/// How connections are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// How long TCP, and the proof that the peer speaks HTTP/2, may take together.
    pub(crate) connect_timeout: Duration,
    /// `None` switches keepalive off.
    pub(crate) keepalive: Option<Keepalive>,
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(20),
            keepalive: Some(Keepalive::default()),
        }
    }
}

/// Connects, and proves the connection by a ping that is answered: a peer that accepts and says
/// nothing, or says something else than HTTP/2, never counts as ready.
pub(crate) async fn connect(
    address: &Address,
    config: Config,
) -> Result<(Connection, Driver), Disconnect> {
    let attempt = async {
        let Address::Socket(socket) = address;
        let stream = TcpStream::connect(socket)
            .await
            .map_err(|error| Disconnect::from_io(&error))?;
        // A call is a few small writes; Nagle's algorithm would hold them back for each other.
        stream
            .set_nodelay(true)
            .map_err(|error| Disconnect::from_io(&error))?;
        connection::establish(address.clone(), stream, config.keepalive).await
    };
    tokio::time::timeout(config.connect_timeout, attempt)
        .await
        .unwrap_or(Err(Disconnect::ConnectTimeout(config.connect_timeout)))
}
