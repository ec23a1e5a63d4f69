//! The accept loop: one task that owns the listener and every connection, so that none can outlive
//! it.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{Id, JoinSet};
use tokio_util::task::TaskTracker;

use super::calls::Calls;
use super::connection::{self, Lifetime, Terms};
use super::turn::TurnTimer;
use super::{Config, Ended, Phase, Serve, metrics};
use crate::chain::Chain;
use crate::repeats::Repeats;
use crate::tls::handshake::Handshakes;

/// How long nothing is accepted after the process ran out of file descriptors or memory; the loop
/// would spin otherwise, because the connection stays in the backlog.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a peer may leave the drain's GOAWAY unanswered while no call is in flight. Whoever never
/// spoke HTTP/2, or vanished, is not waited for until the deadline.
const SILENCE: Duration = Duration::from_secs(2);

/// How long the tasks of cut-off calls may take to notice. They notice when they are polled next.
const CALLS_NOTICE: Duration = Duration::from_secs(1);

/// How often the log says the same of peers that get no connection; the rest is at DEBUG.
const REPEATED: Duration = Duration::from_secs(10);

pub(super) struct Acceptor<S> {
    config: Config,
    listener: TcpListener,
    service: S,
    /// `None` serves plaintext.
    handshakes: Option<Handshakes>,
    /// `None` counts nothing.
    measured: Option<metrics::Connections>,
    /// The lines that peers cause who never call.
    refusals: Arc<Repeats>,
    /// The tasks that hyper spawns for the calls.
    calls: TaskTracker,
    connections: JoinSet<()>,
    /// Dropping a sender asks that connection to end.
    retire: HashMap<Id, oneshot::Sender<()>>,
}

// === impl Acceptor ===

impl<S: Serve> Acceptor<S> {
    pub(super) fn new(
        config: Config,
        listener: TcpListener,
        handshakes: Option<Handshakes>,
        measured: Option<metrics::Connections>,
        service: S,
    ) -> Self {
        let calls = TaskTracker::new();
        Self {
            config,
            listener,
            service,
            handshakes,
            measured,
            refusals: Arc::new(Repeats::every(REPEATED)),
            calls,
            connections: JoinSet::new(),
            retire: HashMap::new(),
        }
    }

    /// Accepts until it is told to drain or to abort, and returns when every connection is closed.
    pub(super) async fn run(mut self, mut phase: watch::Receiver<Phase>) -> Ended {
        let mut pause = None;
        while *phase.borrow_and_update() == Phase::Serving {
            let may_accept =
                pause.is_none() && self.connections.len() < self.config.max_connections;
            tokio::select! {
                changed = phase.changed() => if changed.is_err() { break },
                Some(joined) = self.connections.join_next_with_id() => self.forget(&joined),
                accepted = self.listener.accept(), if may_accept => match accepted {
                    Ok((stream, peer)) => self.start(stream, peer),
                    Err(error) if is_the_peers(&error) => {}
                    Err(error) => {
                        tracing::warn!(error = %Chain(&error), "cannot accept; trying again in {PAUSE:?}");
                        pause = Some(Box::pin(tokio::time::sleep(PAUSE)));
                    }
                },
                () = async { if let Some(pause) = &mut pause { pause.await } }, if pause.is_some() => {
                    pause = None;
                }
            }
        }
        self.finish(phase).await
    }

    async fn finish(self, mut phase: watch::Receiver<Phase>) -> Ended {
        let Self {
            listener,
            calls,
            mut connections,
            retire,
            ..
        } = self;
        // Closed first, so that a client that comes back is refused and goes elsewhere.
        drop(listener);
        drop(retire);
        calls.close();

        let drained = async {
            while connections.join_next().await.is_some() {}
            calls.wait().await;
        };
        let aborted = async {
            // When the handle is gone nobody waits any more.
            let _ = phase.wait_for(|phase| *phase == Phase::Aborted).await;
        };
        let silent = async {
            loop {
                calls.wait().await;
                tokio::time::sleep(SILENCE).await;
                if calls.is_empty() {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            () = drained => return Ended::default(),
            () = aborted => {}
            () = silent => {}
        }
        let ended = Ended {
            connections: connections.len(),
            calls: calls.len(),
        };
        connections.shutdown().await;
        if tokio::time::timeout(CALLS_NOTICE, calls.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                calls = calls.len(),
                "calls that were cut off are still running"
            );
        }
        ended
    }

    fn start(&mut self, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = stream.set_nodelay(self.config.tcp_nodelay) {
            // The connection is gone already; serving it will find out.
            tracing::debug!(%peer, error = %Chain(&error), "cannot set TCP_NODELAY");
        }
        let (retire, retired) = oneshot::channel();
        let calls = Calls::new(self.calls.clone(), self.config.write_timeout);
        let timer = TurnTimer::new();
        let terms = Terms {
            http: http(&self.config, calls.clone(), timer.clone()),
            calls,
            timer,
            service: self.service.clone(),
            lifetime: Lifetime::new(&self.config, fastrand::f64()),
            greeting: self.config.handshake_timeout,
            max_idle: self.config.max_connection_idle,
            refusals: self.refusals.clone(),
            retired,
        };
        let handshakes = self.handshakes.clone();
        let open = self.measured.as_ref().map(metrics::Connections::accepted);
        let task = self.connections.spawn(async move {
            connection::serve(stream, peer, handshakes, terms).await;
            drop(open);
        });
        self.retire.insert(task.id(), retire);
    }

    fn forget(&mut self, joined: &Result<(Id, ()), tokio::task::JoinError>) {
        let id = match joined {
            Ok((id, ())) => *id,
            Err(error) => {
                tracing::error!(error = %Chain(error), "a connection's task failed");
                error.id()
            }
        };
        self.retire.remove(&id);
    }
}

/// HTTP/2 as the settings say.
fn http(config: &Config, calls: Calls, timer: TurnTimer) -> http2::Builder<Calls> {
    let mut http = http2::Builder::new(calls);
    http.timer(timer)
        // gRPC has no use for `date`, and nobody pays for what is not sent.
        .auto_date_header(false)
        .keep_alive_interval(config.keepalive_interval)
        .keep_alive_timeout(config.keepalive_timeout)
        .max_concurrent_streams(config.max_concurrent_streams)
        .initial_stream_window_size(config.initial_stream_window_size)
        .initial_connection_window_size(config.initial_connection_window_size)
        .max_header_list_size(config.max_header_list_size);
    http
}

/// Whether the connection failed before it was accepted, which says nothing about the next one.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
