//! The servers behind Envoy: real ones, and one that counts and does what a test wants.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use service_runtime::stop::{self, Stopper};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use user_server::Server;

/// A server of the product.
#[derive(Debug)]
pub(super) struct Real {
    pub(super) address: SocketAddr,
    /// Its end is the end of the server.
    _stopper: Stopper,
}

/// A server that answers every method alike, and counts.
#[derive(Debug)]
pub(super) struct Double {
    pub(super) address: SocketAddr,
    calls: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

/// What a double answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// Success, from this version.
    Version(&'static str),
    Unavailable,
    Never,
}

#[derive(Clone)]
struct Answering {
    answer: Answer,
    calls: Arc<AtomicU64>,
}

// === impl Real ===

impl Real {
    /// With a store in memory and a name of its own.
    pub(super) async fn start(name: String, version: &str) -> Self {
        let mut settings = user_server::settings::Settings::default();
        settings.instance.name = name;
        version.clone_into(&mut settings.instance.version);
        settings.server.address = ([127, 0, 0, 1], 0).into();
        settings.ops.address = ([127, 0, 0, 1], 0).into();
        settings.drain.notice = Duration::ZERO;
        let server = Server::build(settings).await.unwrap();
        let (stopper, requests) = stop::channel();
        let address = server.grpc_address();
        tokio::spawn(server.serve(requests));
        Self {
            address,
            _stopper: stopper,
        }
    }
}

// === impl Double ===

impl Double {
    pub(super) async fn start(answer: Answer) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(AtomicU64::new(0));
        let service = Answering {
            answer,
            calls: calls.clone(),
        };
        let task = tokio::spawn(async move {
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        Self {
            address,
            calls,
            task,
        }
    }

    /// How many calls have come.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Answering ===

impl NamedService for Answering {
    const NAME: &'static str = super::world::SERVICE;
}

impl Service<http::Request<Body>> for Answering {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let answer = self.answer;
        Box::pin(async move {
            if matches!(answer, Answer::Never) {
                std::future::pending::<()>().await;
            }
            let codec = ProstCodec::<(), ()>::default();
            Ok(Grpc::new(codec).unary(answer, request).await)
        })
    }
}

impl UnaryService<()> for Answer {
    type Response = ();
    type Future = Ready<Result<Response<()>, Status>>;

    fn call(&mut self, _request: Request<()>) -> Self::Future {
        ready(match self {
            Self::Version(version) => {
                let mut response = Response::new(());
                let metadata = response.metadata_mut();
                metadata.insert("x-version", version.parse().unwrap());
                Ok(response)
            }
            Self::Unavailable | Self::Never => Err(Status::unavailable("on purpose")),
        })
    }
}
