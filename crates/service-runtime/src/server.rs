//! The gRPC listener: accepts connections, serves HTTP/2 on each, retires old ones, and ends without
//! cutting a call off as long as the deadline allows.
//!
//! The stages are types: [`Config`] → [`Bound`] (the port is ours, nothing is accepted) →
//! [`Running`]. It stands on hyper's connections instead of tonic's `Server`, because that one closes
//! sockets without a GOAWAY when they reach their age, has no deadline for its drain, and cannot
//! change its certificates (docs/adr).

mod accept;
mod calls;
mod config;
mod connection;
mod cores;
mod greeting;
mod idle;
mod metrics;
mod request;
mod stall;
mod turn;

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::metrics::Meter;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tower_service::Service;

pub use self::config::Config;
use self::cores::Core;
use self::metrics::Connections;
pub use self::request::RequestBody;
use crate::runtime;
use crate::tls::handshake::Handshakes;
use crate::tls::{self, LoadError, Reloader};

/// The port is bound; connections wait in the backlog until [`Bound::serve`].
#[derive(Debug)]
pub struct Bound {
    config: Config,
    places: Vec<Place>,
    tls: Option<Reloader<ServerConfig>>,
    metrics: Option<tls::metrics::Metrics>,
    connections: Option<Connections>,
    local_address: SocketAddr,
}

/// Serves. Dropping it closes every connection at once.
#[derive(Debug)]
pub struct Running {
    local_address: SocketAddr,
    phase: watch::Sender<Phase>,
    /// Those whose end has not been seen.
    acceptors: Vec<AbortOnDropHandle<Ended>>,
    /// What the others had to cut off.
    ended: Ended,
    /// The threads of the acceptors that have threads of their own.
    _cores: Vec<Core>,
}

/// Where connections are accepted, and served.
#[derive(Debug)]
struct Place {
    listener: TcpListener,
    /// `None` is the runtime that everything else runs on.
    core: Option<Core>,
}

/// How the server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every call finished and every connection is closed.
    Drained,
    /// The deadline passed, and calls were cut off.
    DeadlineExceeded {
        /// How many calls were cut off.
        calls: usize,
        /// How many connections were still open.
        connections: usize,
    },
    /// It was told to stop at once.
    Aborted {
        /// How many calls were cut off.
        calls: usize,
        /// How many connections were still open.
        connections: usize,
    },
}

/// The port could not be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct ListenError {
    /// The address that was asked for.
    pub address: SocketAddr,
    source: io::Error,
}

/// The listener cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The port could not be had.
    #[error(transparent)]
    Address(#[from] ListenError),
    /// The threads of the runtime shape `per-core` cannot start.
    #[error("the threads of the runtime shape \"per-core\" cannot start")]
    Threads(#[source] io::Error),
    /// The files of TLS cannot be used.
    #[error("the files of TLS, which the settings under tls name, cannot be used")]
    Tls(#[source] LoadError),
}

/// How many connections may wait to be accepted, as far as the kernel allows.
const BACKLOG: u32 = 4096;

/// What the accept loop is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    Draining,
    Aborted,
}

/// What the accept loop had to cut off.
#[derive(Clone, Copy, Debug, Default)]
struct Ended {
    calls: usize,
    connections: usize,
}

/// What can be served: a service that is always ready and never fails, such as
/// `tonic::service::Routes` in [`crate::layers`].
pub trait Serve:
    Service<
        Request<RequestBody>,
        Response = Response<<Self as Serve>::Body>,
        Error = Infallible,
        Future: Send,
    > + Clone
    + Send
    + 'static
{
    /// The body of its responses.
    type Body: http_body::Body<Data = Bytes, Error: Into<tonic::codegen::StdError>> + Send + 'static;
}

// === impl Config ===

impl Config {
    /// Reads the files of TLS and takes the port. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When a file cannot be used, or the address is in use, is not one of this machine's, or needs a
    /// privilege.
    pub fn bind(self) -> Result<Bound, BindError> {
        let identity = self.tls.load().map_err(BindError::Tls)?;
        self.bind_with(identity)
    }

    /// The same with the identity that [`tls::server::Config::identity`] has waited for.
    ///
    /// # Errors
    /// When the address is in use, is not one of this machine's, or needs a privilege.
    pub fn bind_with(self, tls: Option<Reloader<ServerConfig>>) -> Result<Bound, BindError> {
        self.bind_over(tls, &runtime::Config::default())
    }

    /// The same with threads as `runtime` says. Those of its own are started here.
    ///
    /// # Errors
    /// Beside the above, when there are no threads to be had.
    pub fn bind_over(
        self,
        tls: Option<Reloader<ServerConfig>>,
        runtime: &runtime::Config,
    ) -> Result<Bound, BindError> {
        let mut local_address = self.address;
        let mut places = Vec::new();
        for number in 0..runtime.cores() {
            let core = Core::start(number).map_err(BindError::Threads)?;
            let entered = core.handle().enter();
            let (listener, address) = listen_beside(local_address)?;
            drop(entered);
            // Port 0 is for the first one to choose.
            local_address = address;
            places.push(Place {
                listener,
                core: Some(core),
            });
        }
        if places.is_empty() {
            let (listener, address) = listen(self.address)?;
            local_address = address;
            places.push(Place {
                listener,
                core: None,
            });
        }
        Ok(Bound {
            config: self,
            places,
            tls,
            metrics: None,
            connections: None,
            local_address,
        })
    }
}

/// Binds a listener on the current runtime, and says which port it is when port 0 was asked for.
/// `SO_REUSEADDR` as std sets it: a restarted process gets its port although old connections linger,
/// and two running ones cannot share it.
pub(crate) fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ListenError> {
    let bound = || {
        let listener = StdListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let local_address = listener.local_addr()?;
        Ok((listener, local_address))
    };
    bound().map_err(|source| ListenError { address, source })
}

/// The same, where other listeners of this process, and of this operator's other processes, may have the
/// port as well (`SO_REUSEPORT`): the kernel spreads connections over them.
fn listen_beside(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ListenError> {
    let bound = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        #[cfg(unix)]
        socket.set_reuseport(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let local_address = listener.local_addr()?;
        Ok((listener, local_address))
    };
    bound().map_err(|source| ListenError { address, source })
}

// === impl Bound ===

impl Bound {
    /// The address that was bound, with the real port when port 0 was asked for.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// The identity that connections get; `None` for plaintext.
    #[must_use]
    pub fn tls(&self) -> Option<&Reloader<ServerConfig>> {
        self.tls.as_ref()
    }

    /// Counts the connections, and measures TLS with the instruments of [`tls::metrics`].
    #[must_use]
    pub fn measured(mut self, meter: &Meter) -> Self {
        let identity = self.tls.as_ref();
        self.metrics = identity.map(|identity| tls::metrics::Metrics::new(meter, identity));
        self.connections = Some(Connections::new(meter));
        self
    }

    /// Starts to accept.
    pub fn serve<S: Serve>(self, service: S) -> Running {
        let phase = watch::Sender::new(Phase::Serving);
        let handshakes = self.tls.map(|identity| {
            let Config {
                max_handshakes,
                handshake_timeout,
                ..
            } = self.config;
            let handshakes = Handshakes::new(identity, max_handshakes, handshake_timeout);
            match self.metrics {
                Some(metrics) => handshakes.measured(metrics),
                None => handshakes,
            }
        });
        let mut config = self.config;
        // Each accepts its share.
        config.max_connections = config.max_connections.div_ceil(self.places.len());
        let (mut acceptors, mut cores) = (Vec::new(), Vec::new());
        let services = std::iter::repeat_n(service, self.places.len());
        for (Place { listener, core }, service) in self.places.into_iter().zip(services) {
            let acceptor = accept::Acceptor::new(
                config.clone(),
                listener,
                handshakes.clone(),
                self.connections.clone(),
                service,
            );
            let task = acceptor.run(phase.subscribe());
            let task = match &core {
                Some(core) => core.handle().spawn(task),
                None => tokio::spawn(task),
            };
            acceptors.push(AbortOnDropHandle::new(task));
            cores.extend(core);
        }
        Running {
            local_address: self.local_address,
            phase,
            acceptors,
            ended: Ended::default(),
            _cores: cores,
        }
    }
}

// === impl Running ===

impl Running {
    /// The address that it listens on.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// Stops accepting, sends GOAWAY on every connection, and waits for the calls in flight; what is
    /// left at the deadline is cut off. Every connection is closed when it returns.
    ///
    /// Cancel-safe: dropped half-way, the drain goes on, and may be awaited again or ended by
    /// [`Running::abort`].
    pub async fn drain(&mut self, deadline: Duration) -> Outcome {
        self.advance(Phase::Draining);
        if tokio::time::timeout(deadline, self.end()).await.is_err() {
            self.advance(Phase::Aborted);
        }
        match self.end().await {
            // Nobody lost anything, even if a silent connection was closed.
            Ended { calls: 0, .. } => Outcome::Drained,
            Ended { calls, connections } => Outcome::DeadlineExceeded { calls, connections },
        }
    }

    /// Closes every connection at once.
    pub async fn abort(&mut self) -> Outcome {
        self.advance(Phase::Aborted);
        let Ended { calls, connections } = self.end().await;
        Outcome::Aborted { calls, connections }
    }

    /// The end of every accept loop, once; remembered, because a task can be joined only once.
    async fn end(&mut self) -> Ended {
        while let Some(acceptor) = self.acceptors.last_mut() {
            // The task neither panics nor is cancelled while `self` lives.
            let Ended { calls, connections } = acceptor.await.unwrap_or_default();
            self.acceptors.pop();
            self.ended.calls += calls;
            self.ended.connections += connections;
        }
        self.ended
    }

    fn advance(&self, phase: Phase) {
        self.phase.send_if_modified(|current| {
            let changed = (*current as u8) < phase as u8;
            if changed {
                *current = phase;
            }
            changed
        });
    }
}

// === impl Serve ===

impl<S, B> Serve for S
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<tonic::codegen::StdError>,
{
    type Body = B;
}
