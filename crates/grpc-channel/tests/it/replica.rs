//! A replica: a server on an address of its own, that can be killed, drained and started again.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use grpc_channel::{Builder, Channel, State};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::echo::{Behaviour, descriptors};
use crate::wait_until;

/// The port of every replica; their addresses differ.
pub(crate) const PORT: u16 = 50_051;

/// A server that may run or not. It dereferences to what it does with its calls.
pub(crate) struct Replica {
    pub(crate) address: SocketAddr,
    behaviour: Arc<Behaviour>,
    connections: Arc<Connections>,
    max_streams: Option<u32>,
    running: Option<Running>,
}

/// A run of a replica, from its start until it is killed or drained.
struct Running {
    accepting: JoinHandle<()>,
    /// Ends its connections at once.
    _alive: DropGuard,
}

/// What the connections of a replica share.
struct Connections {
    open: AtomicUsize,
    accepted: AtomicUsize,
    /// While set, nothing is read from a socket nor written to one.
    frozen: AtomicBool,
    /// Changes to make all connections of that moment send GOAWAY.
    drains: watch::Sender<u32>,
    tls: Mutex<Secured>,
}

/// How a replica speaks TLS, and who came.
#[derive(Default)]
#[cfg_attr(
    not(feature = "tls"),
    allow(dead_code, reason = "only the tests of TLS look at it")
)]
struct Secured {
    /// `None` is plaintext.
    config: Option<Arc<ServerConfig>>,
    /// The names that were asked for by SNI, in the order of connections.
    server_names: Vec<String>,
    /// The certificate of the last client that had one.
    client_certificate: Option<CertificateDer<'static>>,
}

/// Counts an open connection.
struct Open(Arc<Connections>);

/// A socket that goes quiet when its replica is frozen.
struct Freezing {
    stream: TcpStream,
    connections: Arc<Connections>,
}

/// A loopback address that no other test has.
pub(crate) fn unused_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    // Other runs of these tests have other addresses.
    let process = u8::try_from(std::process::id() % 200).expect("less than 200") + 10;
    (Ipv4Addr::new(127, process, high, low), PORT).into()
}

/// As many replicas as asked for, running.
pub(crate) async fn replicas<const N: usize>() -> [Replica; N] {
    let mut replicas: [Replica; N] = std::array::from_fn(|_| Replica::new());
    for replica in &mut replicas {
        replica.start().await;
    }
    replicas
}

/// A channel's builder to fixed addresses, with the idempotent methods known.
pub(crate) fn to<'a>(replicas: impl IntoIterator<Item = &'a Replica>) -> Builder {
    let addresses: Vec<String> = replicas
        .into_iter()
        .map(|replica| replica.address.to_string())
        .collect();
    builder(format!("ipv4:{}", addresses.join(",")))
}

/// A channel's builder with the idempotent methods known.
pub(crate) fn builder(target: impl Into<String>) -> Builder {
    Channel::builder(target).descriptors(&descriptors())
}

/// Waits until so many subchannels are READY.
pub(crate) async fn ready(channel: &Channel, count: usize) {
    wait_until(format!("{count} subchannels are READY"), || {
        let stats = channel.stats();
        let ready = stats.subchannels.iter().filter(|s| s.state == State::Ready);
        ready.count() == count
    })
    .await;
}

// === impl Replica ===

impl Replica {
    /// One that does not run.
    pub(crate) fn new() -> Self {
        let address = unused_address();
        Self {
            address,
            behaviour: Behaviour::new(address.ip().to_string()),
            connections: Arc::new(Connections {
                open: AtomicUsize::new(0),
                accepted: AtomicUsize::new(0),
                frozen: AtomicBool::new(false),
                drains: watch::Sender::new(0),
                tls: Mutex::default(),
            }),
            max_streams: None,
            running: None,
        }
    }

    /// Limits the streams of one connection; before it starts.
    pub(crate) fn max_streams(mut self, max: u32) -> Self {
        self.max_streams = Some(max);
        self
    }

    pub(crate) async fn start(&mut self) {
        self.connections.frozen.store(false, Ordering::SeqCst);
        let listener = TcpListener::bind(self.address).await;
        let listener = listener.expect("the address is this replica's own");
        let alive = CancellationToken::new();
        let accepting = accept(
            listener,
            self.behaviour.clone(),
            self.connections.clone(),
            self.max_streams,
            alive.clone(),
        );
        self.running = Some(Running {
            accepting: tokio::spawn(accepting),
            _alive: alive.drop_guard(),
        });
    }

    /// Ends as by SIGKILL: every socket closes, and no GOAWAY is sent.
    pub(crate) async fn kill(&mut self) {
        drop(self.stop_accepting().await);
        self.closed().await;
    }

    /// Ends as by SIGTERM: no more connections, GOAWAY on those there are; returns when the calls in
    /// flight have ended.
    pub(crate) async fn drain(&mut self) {
        let running = self.stop_accepting().await;
        self.age();
        self.closed().await;
        drop(running);
    }

    /// Closes its listener; what is open stays open.
    pub(crate) async fn refuse_connections(&mut self) {
        self.running = self.stop_accepting().await;
    }

    async fn stop_accepting(&mut self) -> Option<Running> {
        let mut running = self.running.take()?;
        running.accepting.abort();
        // The listener is closed when the task has ended.
        let _ = (&mut running.accepting).await;
        Some(running)
    }

    /// Waits until the last connection has closed.
    pub(crate) async fn closed(&self) {
        wait_until(format!("{} has no connection", self.address), || {
            self.open_connections() == 0
        })
        .await;
    }

    /// Sends GOAWAY on every connection, as when they are too old, and takes new ones.
    pub(crate) fn age(&self) {
        self.connections.drains.send_modify(|drains| *drains += 1);
    }

    /// Goes quiet: what is open stays open, and nothing is read or written any more.
    pub(crate) fn freeze(&self) {
        self.connections.frozen.store(true, Ordering::SeqCst);
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.connections.open.load(Ordering::SeqCst)
    }

    pub(crate) fn accepted_connections(&self) -> usize {
        self.connections.accepted.load(Ordering::SeqCst)
    }
}

#[cfg_attr(
    not(feature = "tls"),
    allow(dead_code, reason = "only the tests of TLS ask for it")
)]
impl Replica {
    /// Speaks TLS on every connection from now on.
    pub(crate) fn speak_tls(&mut self, config: Arc<ServerConfig>) {
        self.connections.tls.lock().unwrap().config = Some(config);
    }

    /// The names that were asked for by SNI.
    pub(crate) fn server_names(&self) -> Vec<String> {
        self.connections.tls.lock().unwrap().server_names.clone()
    }

    /// The certificate of the last client that had one.
    pub(crate) fn client_certificate(&self) -> Option<CertificateDer<'static>> {
        let tls = self.connections.tls.lock().unwrap();
        tls.client_certificate.clone()
    }
}

impl Deref for Replica {
    type Target = Behaviour;

    fn deref(&self) -> &Behaviour {
        &self.behaviour
    }
}

async fn accept(
    listener: TcpListener,
    behaviour: Arc<Behaviour>,
    connections: Arc<Connections>,
    max_streams: Option<u32>,
    alive: CancellationToken,
) {
    loop {
        let (stream, _) = listener.accept().await.expect("a listener accepts");
        stream.set_nodelay(true).expect("a socket has the option");
        connections.accepted.fetch_add(1, Ordering::SeqCst);
        connections.open.fetch_add(1, Ordering::SeqCst);
        let open = Open(connections.clone());
        let drains = connections.drains.subscribe();
        let serving = serve(stream, behaviour.clone(), open, drains, max_streams);
        let alive = alive.clone();
        let serving = Box::pin(serving);
        tokio::spawn(async move { alive.run_until_cancelled_owned(serving).await });
    }
}

async fn serve(
    stream: TcpStream,
    behaviour: Arc<Behaviour>,
    open: Open,
    drains: watch::Receiver<u32>,
    max_streams: Option<u32>,
) {
    let connections = open.0.clone();
    let tls = connections.tls.lock().unwrap().config.clone();
    let socket = Freezing {
        stream,
        connections: connections.clone(),
    };
    let Some(config) = tls else {
        return speak(socket, behaviour, drains, max_streams).await;
    };
    // A client that refuses or is refused is what some tests want.
    if let Ok(socket) = TlsAcceptor::from(config).accept(socket).await {
        connections.tls.lock().unwrap().note(socket.get_ref().1);
        speak(socket, behaviour, drains, max_streams).await;
    }
}

async fn speak(
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    behaviour: Arc<Behaviour>,
    mut drains: watch::Receiver<u32>,
    max_streams: Option<u32>,
) {
    let io = TokioIo::new(socket);
    let service = service_fn(move |request| {
        let behaviour = behaviour.clone();
        async move { Ok::<_, std::convert::Infallible>(behaviour.serve(request).await) }
    });
    let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(max_streams)
        .serve_connection(io, service);
    let mut serving = pin!(serving);
    tokio::select! {
        _ = serving.as_mut() => return,
        _ = drains.changed() => serving.as_mut().graceful_shutdown(),
    }
    // How a connection ends is the client's business.
    let _ = serving.await;
}

// === impl Secured ===

impl Secured {
    fn note(&mut self, connection: &rustls::ServerConnection) {
        let name = connection.server_name().map(str::to_owned);
        self.server_names.extend(name);
        let chain = connection.peer_certificates();
        if let Some([certificate, ..]) = chain {
            self.client_certificate = Some(certificate.clone());
        }
    }
}

// === impl Open ===

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

// === impl Freezing ===

impl Freezing {
    /// A frozen socket wakes nobody; it ends with its replica.
    fn is_frozen(&self) -> bool {
        self.connections.frozen.load(Ordering::SeqCst)
    }
}

impl AsyncRead for Freezing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_frozen() {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Freezing {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_frozen() {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_frozen() {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    /// As the socket itself: TLS writes its last alert in one go with what is before it, or not at
    /// all.
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
