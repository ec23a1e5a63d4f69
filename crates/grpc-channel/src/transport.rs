//! One HTTP/2 connection: made, proved, driven, and used by many calls at once.
//!
//! It is built on `h2`, which is also what hyper's HTTP/2 client is built on, and not on hyper
//! itself: hyper hides the GOAWAY until the last stream has ended, puts a queue and a spawned task
//! between a call and its stream, and reports a lost connection as text (docs/adr/0004).

mod connection;
mod disconnect;
mod driver;
mod keepalive;
mod line;
mod metered;
mod outgoing;
mod response;
mod room;
mod socket;
mod stream_error;
mod tls_failure;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(crate) use self::connection::{Connection, Reservation};
pub use self::disconnect::Disconnect;
pub(crate) use self::driver::Driver;
pub use self::keepalive::Keepalive;
pub(crate) use self::response::Committed;
pub use self::response::ResponseBody;
pub(crate) use self::room::Room;
pub(crate) use self::socket::Plain;
use self::socket::{Loss, Socket};
pub(crate) use self::stream_error::{Failure, Progress};
pub use self::tls_failure::TlsFailure;
use crate::resolver::Address;
#[cfg(feature = "tls")]
use crate::tls::Handshake;

/// How connections are made.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// How long TCP, TLS, and the proof that the peer speaks HTTP/2, may take together.
    pub(crate) connect_timeout: Duration,
    /// `None` switches keepalive off.
    pub(crate) keepalive: Option<Keepalive>,
    /// `None` is plaintext.
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Handshake>,
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(20),
            keepalive: Some(Keepalive::default()),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

/// Connects, and proves the connection by a ping that is answered: a peer that accepts and says
/// nothing, or says something else than HTTP/2, never counts as ready.
pub(crate) async fn connect(
    address: &Address,
    config: &Config,
) -> Result<(Connection, Driver), Disconnect> {
    let shaking_hands = AtomicBool::new(false);
    let attempt = async {
        let loss = Loss::default();
        let socket = Plain::connect(address).await?;
        #[cfg(not(feature = "tls"))]
        let socket = Socket::Plain(socket);
        #[cfg(feature = "tls")]
        let socket = match &config.tls {
            None => Socket::Plain(socket),
            Some(tls) => {
                shaking_hands.store(true, Ordering::Relaxed);
                let stream = tls.secure(socket).await?;
                shaking_hands.store(false, Ordering::Relaxed);
                Socket::secure(stream, loss.clone())
            }
        };
        connection::establish(address.clone(), socket, loss, config.keepalive).await
    };
    let timeout = config.connect_timeout;
    tokio::time::timeout(timeout, attempt)
        .await
        .unwrap_or_else(|_elapsed| {
            Err(if shaking_hands.load(Ordering::Relaxed) {
                Disconnect::tls(TlsFailure::HandshakeTimeout(timeout))
            } else {
                Disconnect::ConnectTimeout(timeout)
            })
        })
}
