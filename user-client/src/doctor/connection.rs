//! Does each address accept?

use std::io;
use std::time::Duration;

use grpc_channel::Disconnect;
use grpc_channel::resolver::Address;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use super::finding::{Finding, Question};
use super::kubectl::Place;
use super::probe::Probed;
use super::survey::{Trouble, survey};

/// A connection, over whatever it runs.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Connects within `patience`.
pub(super) async fn open(
    address: &Address,
    patience: Duration,
) -> Result<Box<dyn Stream>, Disconnect> {
    match tokio::time::timeout(patience, connect(address)).await {
        Ok(connected) => connected.map_err(|error| Disconnect::from_io(&error)),
        Err(_elapsed) => Err(Disconnect::ConnectTimeout(patience)),
    }
}

async fn connect(address: &Address) -> io::Result<Box<dyn Stream>> {
    Ok(match address {
        Address::Socket(address) => Box::new(TcpStream::connect(address).await?),
        #[cfg(unix)]
        Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
        _ => return Err(io::Error::from(io::ErrorKind::Unsupported)),
    })
}

/// What it means which of the addresses accept; `known` is how many there are, of which some may not
/// have been tried.
#[must_use]
pub fn verdict(probed: &[Probed], known: usize, place: Option<&Place>) -> Finding {
    let answers = probed.iter().map(|it| {
        let trouble = |error: &Disconnect| trouble(error, &it.address, place);
        (
            &it.address,
            it.connection.as_ref().copied().map_err(trouble),
        )
    });
    survey(Question::Connection, answers, |good| {
        if probed.len() < known {
            format!("{good} accept, of {known} addresses in all")
        } else {
            format!("{good} accept")
        }
    })
}

fn trouble(error: &Disconnect, address: &Address, place: Option<&Place>) -> Trouble {
    let port = match address {
        Address::Socket(address) => format!("port {}", address.port()),
        _ => "the path".to_owned(),
    };
    let mut next = Vec::new();
    match error {
        Disconnect::Refused => {
            next.push(format!(
                "is {port} the container's own? DNS does not know the Service's port mapping; \
                 and does the server run?"
            ));
            next.extend(place.map(|place| place.get_pod(address)));
        }
        Disconnect::ConnectTimeout(_) | Disconnect::TimedOut => {
            next.push(format!(
                "packets are lost: does a NetworkPolicy or a firewall allow {port}, out of here and \
                 in there?"
            ));
            next.extend(place.map(Place::get_policies));
            next.extend(place.map(|place| place.get_pod(address)));
        }
        _ => next.extend(place.map(|place| place.get_pod(address))),
    }
    Trouble {
        says: error.to_string(),
        next,
    }
}
