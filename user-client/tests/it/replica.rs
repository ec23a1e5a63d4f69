//! A small server that keeps its data in memory and misbehaves on demand.
//!
//! It is an honest implementation of what the client needs of `user.v1.UserService`, so that the
//! client is tested against a real socket and not against a mock of itself. Replicas may share one
//! [`Store`], as those of a real service share a database.

mod import;
mod lookup;
mod service;
mod store;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::CompressionEncoding;
use tonic_health::ServingStatus;
use user_api::v1::user_service_server::{SERVICE_NAME, UserServiceServer};

use self::service::Service;
pub(crate) use self::store::Store;

/// A running server. When this is dropped it dies as by SIGKILL: its connections are cut, and
/// nothing is said to anybody.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) address: SocketAddr,
    pub(crate) calls: Arc<AtomicU64>,
    pub(crate) store: Arc<Store>,
    draining: Arc<tokio::sync::watch::Sender<bool>>,
    /// Of its own, so that its end is the end of every connection.
    runtime: Option<Runtime>,
}

/// How the server misbehaves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Fault {
    #[default]
    None,
    /// Every n-th call is `RESOURCE_EXHAUSTED`, which no client retries by itself.
    EveryNth(u64),
    /// No call is answered.
    Stall,
    /// Its health service says `NOT_SERVING`.
    NotServing,
    /// A watch is shed with `RESOURCE_EXHAUSTED` after this many changes, every time.
    ShedWatchAfter(usize),
}

// === impl Replica ===

impl Replica {
    pub(crate) fn start(name: &'static str, fault: Fault) -> Self {
        Self::start_on(name, fault, Arc::default())
    }

    /// Starts with data that others may share.
    pub(crate) fn start_on(name: &'static str, fault: Fault, store: Arc<Store>) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), name, fault, store)
    }

    /// Starts at an address, such as that of a replica which is gone.
    pub(crate) fn start_at(
        address: SocketAddr,
        name: &'static str,
        fault: Fault,
        store: Arc<Store>,
    ) -> Self {
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(AtomicU64::new(0));
        let draining = Arc::new(tokio::sync::watch::Sender::new(false));
        let service = Service {
            name,
            fault,
            calls: calls.clone(),
            store: store.clone(),
            draining: draining.clone(),
        };
        let mut service = UserServiceServer::new(service);
        for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
            service = service
                .accept_compressed(encoding)
                .send_compressed(encoding);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let (reporter, health) = tonic_health::server::health_reporter();
            let status = match fault {
                Fault::NotServing => ServingStatus::NotServing,
                _ => ServingStatus::Serving,
            };
            for name in ["", SERVICE_NAME] {
                reporter.set_service_status(name, status).await;
            }
            tonic::transport::Server::builder()
                .add_service(health)
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        Self {
            address,
            calls,
            store,
            draining,
            runtime: Some(runtime),
        }
    }

    pub(crate) fn target(&self) -> String {
        format!("ipv4:{}", self.address)
    }

    /// Ends every watch with `UNAVAILABLE`, and answers every further call so.
    pub(crate) fn drain(&self) {
        self.draining.send_replace(true);
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else {
            return;
        };
        // On a thread, because a runtime may not wait for the end of another. After this the address
        // is free.
        let ending = std::thread::spawn(|| runtime.shutdown_timeout(Duration::from_secs(10)));
        ending.join().unwrap();
    }
}
