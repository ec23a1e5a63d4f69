//! The service under the runtime: `grpc.health.v1`'s messages, answered as the test wants.
//!
//! The name in a request says what the handler does; see [`Subject`]. A gate is a pair: the handler
//! waits at it, the test opens it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use service_runtime::auth::Guard;
use service_runtime::faults::Faults;
use service_runtime::health::HealthServer;
use service_runtime::health::pb::health_client::HealthClient;
use service_runtime::health::pb::health_server::Health;
use service_runtime::health::pb::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
};
use service_runtime::layers::{self, Layered, Layers, identity::Identity};
use service_runtime::limits::Limits;
use service_runtime::server::{Bound, Config, Running};
use tokio::sync::{Semaphore, watch};
use tokio_stream::{Stream, StreamExt as _};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use tower::ServiceExt as _;
use tower::util::MapRequest;

/// The bound of every wait: far more than anything here needs.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// What `check` and `watch` do, by the service name that they are sent.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    gate: Gate,
}

/// Where slow handlers wait.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    open: Arc<Semaphore>,
    waiting: watch::Sender<usize>,
}

type Answers = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

/// A server with the subject in all layers, on a free port.
pub(crate) fn start(config: Config) -> (Running, Gate) {
    let (bound, layered, gate) = with_gate(config);
    (bound.serve(layered), gate)
}

/// The same before it serves.
pub(crate) fn bind(config: Config) -> (Bound, Layered<Routes>) {
    let (bound, layered, _) = with_gate(config);
    (bound, layered)
}

fn with_gate(config: Config) -> (Bound, Layered<Routes>, Gate) {
    let gate = Gate {
        open: Arc::new(Semaphore::new(0)),
        waiting: watch::Sender::new(0),
    };
    let subject = Subject { gate: gate.clone() };
    let routes = Routes::new(HealthServer::new(subject)).prepare();
    let identity = Identity::new("replica-1", "1.2.3").unwrap();
    let bound = config.bind().unwrap();
    (bound, layers::around(routes, identity), gate)
}

/// The same under another name, since health itself is not guarded and not limited.
pub(crate) fn start_other(config: Config, guard: Guard, limits: Limits) -> (Running, Gate) {
    let layers = Layers {
        identity: Identity::new("replica-1", "1.2.3").unwrap(),
        guard,
        limits,
        faults: Faults::off(),
        calls: None,
        spans: None,
    };
    start_in(layers, |bound| bound, config)
}

/// The same in layers of the test's own, and with a listener that the test makes ready.
pub(crate) fn start_in(
    layers: Layers,
    prepare: impl FnOnce(Bound) -> Bound,
    config: Config,
) -> (Running, Gate) {
    let gate = Gate {
        open: Arc::new(Semaphore::new(0)),
        waiting: watch::Sender::new(0),
    };
    let subject = Subject { gate: gate.clone() };
    let routes = Routes::new(HealthServer::new(subject)).prepare();
    let routes = routes.map_request(|request| renamed(request, OTHER, HEALTH));
    let bound = prepare(config.bind().unwrap());
    (bound.serve(layers.around(routes)), gate)
}

const HEALTH: &str = "/grpc.health.v1.Health/";

/// The other name.
pub(crate) const OTHER: &str = "/test.Subject/";

fn renamed<B>(mut request: http::Request<B>, from: &str, to: &str) -> http::Request<B> {
    let uri = request.uri().to_string().replace(from, to);
    *request.uri_mut() = uri.parse().unwrap();
    request
}

type Rename = fn(http::Request<Body>) -> http::Request<Body>;

/// A client of the subject under its other name.
pub(crate) async fn connect_other(
    address: SocketAddr,
) -> HealthClient<MapRequest<Channel, Rename>> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let rename: Rename = |request| renamed(request, HEALTH, OTHER);
    HealthClient::new(channel.map_request(rename))
}

pub(crate) fn on_a_free_port() -> Config {
    Config {
        address: ([127, 0, 0, 1], 0).into(),
        ..Config::default()
    }
}

pub(crate) async fn connect(address: SocketAddr) -> HealthClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    HealthClient::new(endpoint.connect().await.unwrap())
}

pub(crate) fn asking(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

/// Waits for something that must happen, with a bound.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future)
        .await
        .unwrap_or_else(|_| panic!("{what} must happen"))
}

// === impl Gate ===

impl Gate {
    /// Lets every handler through, now and later.
    pub(crate) fn open(&self) {
        self.open.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// Waits until so many handlers wait.
    pub(crate) async fn reached_by(&self, count: usize) {
        let mut waiting = self.waiting.subscribe();
        soon(
            "the call's arrival",
            waiting.wait_for(|waiting| *waiting >= count),
        )
        .await
        .unwrap();
    }

    async fn pass(&self) {
        self.waiting.send_modify(|waiting| *waiting += 1);
        drop(self.open.acquire().await.unwrap());
    }
}

// === impl Subject ===

#[tonic::async_trait]
impl Health for Subject {
    type WatchStream = Answers;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        assert!(request.remote_addr().is_some(), "the peer must be known");
        match request.get_ref().service.as_str() {
            "slow" => self.gate.pass().await,
            "panics" => panic!("on purpose"),
            "fails" => return Err(Status::internal("on purpose")),
            _ => {}
        }
        Ok(Response::new(HealthCheckResponse::default()))
    }

    async fn list(
        &self,
        _: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        Ok(Response::new(HealthListResponse::default()))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Answers>, Status> {
        let first = tokio_stream::once(Ok(HealthCheckResponse::default()));
        let gate = self.gate.clone();
        let service = request.into_inner().service;
        let second = tokio_stream::once(()).then(move |()| {
            let (gate, service) = (gate.clone(), service.clone());
            async move {
                // tonic sends what it has when the stream is not ready.
                tokio::task::yield_now().await;
                match service.as_str() {
                    "slow" => gate.pass().await,
                    "panics" => panic!("on purpose"),
                    "fails" => return Err(Status::data_loss("on purpose")),
                    _ => {}
                }
                Ok(HealthCheckResponse::default())
            }
        });
        Ok(Response::new(Box::pin(first.chain(second))))
    }
}
