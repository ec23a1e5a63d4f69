//! One connection: HTTP/2 on a socket, until the peer leaves, it is too old, or the server drains.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant as StdInstant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tonic::transport::server::TcpConnectInfo;

use super::calls::{Calls, WithCalls};
use super::greeting::{Counted, Greeting};
use super::idle::{Activity, With};
use super::request::RequestBody;
use super::stall::{Noted, Noting};
use super::turn::TurnTimer;
use super::{Config, Serve};
use crate::chain::Chain;
use crate::repeats::Repeats;
use crate::tls::handshake::{Failure, Handshakes};
use crate::tls::peer::Peer;

/// When a connection has to go, by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lifetime {
    age: Option<Duration>,
    grace: Option<Duration>,
}

/// The service of one connection, as hyper calls it.
#[derive(Debug)]
struct Connection<S> {
    /// hyper asks for calls through a shared reference, one after the other: a copy for each of them would
    /// count a dozen references up and down.
    service: RefCell<S>,
    info: TcpConnectInfo,
    /// Where its calls are counted, if that matters.
    activity: Option<Activity>,
    /// Who is at the other end, if a certificate has said so.
    identity: Option<Arc<Peer>>,
}

/// What a connection is served with.
pub(super) struct Terms<S> {
    pub(super) http: http2::Builder<Calls>,
    /// Who runs this connection's calls.
    pub(super) calls: Calls,
    /// What time it is for its keepalive.
    pub(super) timer: TurnTimer,
    pub(super) service: S,
    pub(super) lifetime: Lifetime,
    /// How long the peer may take to say something.
    pub(super) greeting: Duration,
    /// How long there may be no call.
    pub(super) max_idle: Option<Duration>,
    /// What the log has said of other peers.
    pub(super) refusals: Arc<Repeats>,
    /// Completes when the connection has to go for another reason than its age.
    pub(super) retired: oneshot::Receiver<()>,
}

/// Makes a connection secure, if it is to be, and serves it to its end.
pub(super) async fn serve<S: Serve>(
    stream: TcpStream,
    peer: SocketAddr,
    handshakes: Option<Handshakes>,
    terms: Terms<S>,
) {
    let info = TcpConnectInfo {
        local_addr: stream.local_addr().ok(),
        remote_addr: Some(peer),
    };
    let Some(handshakes) = handshakes else {
        return speak(stream, peer, info, None, terms).await;
    };
    match handshakes.secure(stream).await {
        Ok((stream, identity)) => {
            speak(stream, peer, info, identity.map(Arc::new), terms).await;
        }
        Err(refusal) => {
            log_refusal(peer, &refusal.failure, &terms.refusals);
            refusal.linger().await;
        }
    }
}

/// Speaks HTTP/2 with a peer.
async fn speak<S: Serve>(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: SocketAddr,
    info: TcpConnectInfo,
    identity: Option<Arc<Peer>>,
    terms: Terms<S>,
) {
    let Terms {
        http,
        calls,
        timer,
        service,
        lifetime,
        greeting,
        max_idle,
        refusals,
        retired,
    } = terms;
    let activity = Activity::begin();
    let service = Connection {
        service: RefCell::new(service),
        info,
        activity: max_idle.map(|_| activity.clone()),
        identity,
    };
    let (stream, heard) = Counted::new(stream);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(WithCalls::new(connection, calls, timer));

    let start = Instant::now();
    let mut old = pin!(at(lifetime.age.and_then(|age| start.checked_add(age))));
    let mut retired = pin!(retired);
    let mut mute = pin!(async {
        sleep_until(start + greeting).await;
        if heard.is_complete() {
            std::future::pending::<()>().await;
        }
    });
    let old = tokio::select! {
        // Last things first would cost a call; hyper has the work.
        biased;
        result = &mut connection => return log_end(peer, result, &heard, &refusals),
        _ = &mut retired => false,
        () = &mut old => true,
        () = activity.idle_for(max_idle) => false,
        () = &mut mute => {
            if let Some(suppressed) = refusals.permit("mute", StdInstant::now()) {
                tracing::info!(
                    %peer,
                    suppressed,
                    "no HTTP/2 within {greeting:?}; the connection is closed"
                );
            } else {
                tracing::debug!(%peer, "no HTTP/2; the connection is closed");
            }
            return;
        }
    };

    // GOAWAY, and the calls in flight go on.
    connection.as_mut().connection().graceful_shutdown();
    let grace = lifetime.grace.filter(|_| old);
    let mut cut_off = pin!(at(grace.and_then(|grace| Instant::now().checked_add(grace))));
    tokio::select! {
        biased;
        result = &mut connection => log_end(peer, result, &heard, &refusals),
        () = &mut cut_off => {
            tracing::info!(%peer, "the connection's grace is over; its calls are cut off");
        }
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

fn log_refusal(peer: SocketAddr, failure: &Failure, refusals: &Repeats) {
    let reason = failure.reason();
    let error = Chain(failure);
    let permitted = match failure {
        // Load balancers and probes open ports to see whether they are open.
        Failure::Left(_) => None,
        _ => refusals.permit(reason, StdInstant::now()),
    };
    if let Some(suppressed) = permitted {
        tracing::info!(%peer, reason, %error, suppressed, "no handshake");
    } else {
        tracing::debug!(%peer, reason, %error, "no handshake");
    }
}

fn log_end(
    peer: SocketAddr,
    result: Result<(), hyper::Error>,
    heard: &Greeting,
    refusals: &Repeats,
) {
    let Err(error) = result else { return };
    let error = Chain(&error);
    let permitted = if heard.is_tls() {
        refusals.permit("tls", StdInstant::now())
    } else {
        None
    };
    if let Some(suppressed) = permitted {
        tracing::info!(
            %peer,
            %error,
            suppressed,
            "the peer speaks TLS, and this listener plaintext"
        );
    } else {
        tracing::debug!(%peer, %error, "the connection failed");
    }
}

// === impl Lifetime ===

impl Lifetime {
    /// `chance` is from 0 to 1 and spreads the age by ±10 %, so that connections that were opened
    /// together do not all come back together (gRFC A9).
    pub(super) fn new(config: &Config, chance: f64) -> Self {
        Self {
            age: config
                .max_connection_age
                .map(|age| age.mul_f64(0.9 + 0.2 * chance)),
            grace: config.max_connection_age_grace,
        }
    }
}

// === impl Connection ===

impl<S: Serve> hyper::service::Service<Request<Incoming>> for Connection<S> {
    type Response = Response<With<Noted<S::Body>>>;
    type Error = Infallible;
    type Future = With<Noting<S::Future>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let extensions = request.extensions_mut();
        extensions.insert(self.info.clone());
        if let Some(identity) = &self.identity {
            extensions.insert(identity.clone());
        }
        let busy = self.activity.as_ref().map(Activity::call);
        // It is not borrowed already: no service calls the connection that it is called by.
        let mut service = self.service.borrow_mut();
        // It is always ready, as `Serve` says, and called at once: kept beside its request until a first
        // poll, it would be moved again with it.
        let _ = service.poll_ready(&mut Context::from_waker(Waker::noop()));
        With::new(
            Noting::new(service.call(request.map(RequestBody::new))),
            busy,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_spread_by_a_tenth_both_ways() {
        let config = Config {
            max_connection_age: Some(Duration::from_secs(100)),
            ..Config::default()
        };
        for (chance, seconds) in [(0.0, 90), (0.5, 100), (1.0, 110)] {
            let age = Lifetime::new(&config, chance).age.unwrap();
            let difference = age.abs_diff(Duration::from_secs(seconds));
            assert!(
                difference < Duration::from_millis(1),
                "{age:?} must be {seconds} s"
            );
        }
    }
}
