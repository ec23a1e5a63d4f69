//! One request to one ops listener, on a connection of its own.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use service_runtime::faults::Fault;
use service_runtime::faults::http::{Document, PATH, Refusal};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::Place;

/// The largest answer that is read: that of a few thousand methods.
const LARGEST: usize = 1 << 20;

/// What a replica is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// To set this fault for the calls of a method, or of all (`*`).
    Set(String, Fault),
    /// To show those that are set.
    List,
    /// To end that of a method, or all of them.
    Clear(Option<String>),
}

/// Why a replica did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// There is no connection.
    #[error("nobody answers")]
    Connect(#[source] io::Error),
    /// It has not answered in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// What answers does not speak HTTP as it has to.
    #[error("the HTTP exchange failed")]
    Http(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The replica says why not.
    #[error("{reason}")]
    Refused {
        /// The status of HTTP.
        status: StatusCode,
        /// The replica's own words.
        reason: String,
    },
    /// Something else answers there.
    #[error("what answers there ({status}) is no ops listener that knows faults")]
    Stranger {
        /// The status of HTTP.
        status: StatusCode,
    },
}

/// Asks one replica. Cancel-safe, as far as the answer goes: an order that was sent may be carried out.
///
/// # Errors
/// See [`Failure`].
pub async fn ask(place: &Place, order: &Order, bound: Duration) -> Result<Document, Failure> {
    match tokio::time::timeout(bound, exchange(place, order)).await {
        Ok(result) => result,
        Err(_elapsed) => Err(Failure::TimedOut(bound)),
    }
}

async fn exchange(place: &Place, order: &Order) -> Result<Document, Failure> {
    let socket = match place {
        Place::Address(address) => TcpStream::connect(address).await,
        Place::Named(name) => TcpStream::connect(name).await,
    };
    let socket = TokioIo::new(socket.map_err(Failure::Connect)?);
    let (mut sender, connection) = http1::handshake(socket).await.map_err(http)?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = order.request(place)?;
    let response = sender.send_request(request).await.map_err(http)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST).collect().await;
    let body = body.map_err(Failure::Http)?.to_bytes();
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|_| Failure::Stranger { status });
    }
    match serde_json::from_slice::<Refusal>(&body) {
        Ok(Refusal { error: reason }) => Err(Failure::Refused { status, reason }),
        Err(_) => Err(Failure::Stranger { status }),
    }
}

fn http(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::Http(error.into())
}

// === impl Order ===

impl Order {
    fn request(&self, place: &Place) -> Result<Request<Full<Bytes>>, Failure> {
        let (method, path, body) = match self {
            Self::Set(of, fault) => {
                let body = serde_json::to_vec(fault).map_err(http)?;
                (Method::PUT, path(of), body)
            }
            Self::List => (Method::GET, PATH.to_owned(), Vec::new()),
            Self::Clear(Some(of)) => (Method::DELETE, path(of), Vec::new()),
            Self::Clear(None) => (Method::DELETE, PATH.to_owned(), Vec::new()),
        };
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::HOST, place.to_string());
        let request = request.header(header::CONTENT_TYPE, "application/json");
        request.body(Full::from(body)).map_err(http)
    }
}

/// The path of a method's fault. What no method is called is escaped, so that the replica can refuse it.
fn path(method: &str) -> String {
    let mut path = format!("{PATH}/");
    for byte in method.trim_start_matches('/').bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'/' | b'*' | b'-' => {
                path.push(char::from(byte));
            }
            _ => {
                let _infallible = write!(path, "%{byte:02X}");
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_method_is_called_it_is_a_path() {
        for (method, expected) in [
            ("*", "/faults/*"),
            ("Get", "/faults/Get"),
            ("/a.v1.Shop/Get", "/faults/a.v1.Shop/Get"),
            ("a b?c#d%", "/faults/a%20b%3Fc%23d%25"),
            ("ä", "/faults/%C3%A4"),
        ] {
            assert_eq!(path(method), expected);
            assert!(expected.parse::<http::Uri>().is_ok(), "{expected}");
        }
    }
}
