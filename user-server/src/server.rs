//! The parts put together: the store is opened, the ports are taken, and then it serves until it is
//! asked to stop. The program, the tests and the demo all start here.

mod services;

use std::net::SocketAddr;
use std::time::Duration;

use service_runtime::health::Reporter;
use service_runtime::layers::{Layers, identity::Identity, metrics::Calls, spans::Spans};
use service_runtime::logs::Logs;
use service_runtime::readiness::{Check, Probe, Readiness};
use service_runtime::routes::Straight;
use service_runtime::telemetry::logs::{self, Records};
use service_runtime::telemetry::traces::{self, Traces};
use service_runtime::telemetry::{self, Telemetry};
use service_runtime::tls::LoadError;
use service_runtime::web;
use service_runtime::{auth, drain, faults, ops, server, stop};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::services::Services;
pub(crate) use self::services::methods;
use crate::cache::Cache;
use crate::feed::{self, Feed};
use crate::settings::Settings;
use crate::store::{self, Database, Store, Traced};
use crate::{retention, rpc};

/// The version of the program. What callers see is the setting `instance.version`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long the store may take to close. It is idle after a clean drain; a statement that outlived its
/// call waits for a lock, and is undone by the database when the process ends.
const CLOSE: Duration = Duration::from_secs(1);

/// A server that has everything it needs, and answers nobody yet.
#[derive(Debug)]
pub struct Server {
    settings: Settings,
    telemetry: Telemetry,
    traces: Traces,
    records: Records,
    services: Services,
    layers: Layers,
    health: Reporter,
    store: Database,
    background: Background,
    grpc: server::Bound,
    web: Option<web::Bound>,
    ops: ops::Bound,
}

/// What goes on beside the calls, while it lives.
#[derive(Debug)]
struct Background {
    _following: feed::Following,
    _forgetting: retention::Forgetting,
    /// Tells streams that would last for ever that they have to end.
    _closing: AbortOnDropHandle<()>,
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// See the source.
    #[error("nothing can be measured; the settings under telemetry.metrics say who is told")]
    Telemetry(#[source] telemetry::StartError),
    /// See the source.
    #[error("no spans can be sent; the settings under telemetry.traces say where")]
    Traces(#[source] traces::StartError),
    /// See the source.
    #[error("no log records can be sent; the settings under telemetry.logs say where")]
    Records(#[source] logs::StartError),
    /// See the source.
    #[error("callers cannot be told apart as the settings under auth say")]
    Auth(#[source] auth::Error),
    /// See the source.
    #[error("the descriptors of the served methods cannot be read")]
    Descriptors(#[source] prost::DecodeError),
    /// See the source.
    #[error("the store of the setting store.url cannot be used")]
    Store(#[source] store::OpenError),
    /// See the source.
    #[error("the gRPC listener cannot start; the setting server.address says where")]
    Grpc(#[source] server::BindError),
    /// See the source.
    #[error("there is no identity for TLS; the settings under server.tls say where it comes from")]
    Tls(#[source] LoadError),
    /// See the source.
    #[error("the listener for browsers cannot start; the setting web.address says where")]
    Web(#[source] server::ListenError),
    /// See the source.
    #[error("the ops listener cannot start; the setting ops.address says where")]
    Ops(#[source] server::ListenError),
    /// See the source.
    #[error("the settings under instance cannot be sent in headers")]
    Instance(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// See the source.
    #[error("the descriptors cannot be served by reflection")]
    Reflection(#[source] tonic_reflection::server::Error),
}

/// Whether the database answers.
struct StoreAnswers(Database);

// === impl Server ===

impl Server {
    /// Opens the store, brings its tables up to date, and takes both ports, in a program that has logs of
    /// its own. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When one of these cannot be done.
    pub async fn build(settings: Settings) -> Result<Self, Error> {
        Self::build_with(settings, None).await
    }

    /// The same, where the logs of the process were started for this server.
    ///
    /// # Errors
    /// As [`Server::build`].
    pub async fn build_with(settings: Settings, logs: Option<Logs>) -> Result<Self, Error> {
        let service = telemetry::Service {
            name: env!("CARGO_PKG_NAME"),
            version: VERSION,
            instance: settings.instance.name.clone(),
        };
        let telemetry = Telemetry::start(&settings.telemetry, &service);
        let telemetry = telemetry.map_err(Error::Telemetry)?;
        let meter = telemetry.meter();
        let traces = Traces::start(&settings.telemetry, &service, Some(&meter));
        let traces = traces.map_err(Error::Traces)?;
        let to = &settings.telemetry;
        let records = Records::start(to, &service, Some(&meter), logs.as_ref());
        let records = records.map_err(Error::Records)?;
        let methods = methods(&settings).map_err(Error::Descriptors)?;
        let layers = Layers {
            identity: Identity::new(&settings.instance.name, &settings.instance.version)
                .map_err(|error| Error::Instance(error.into()))?,
            guard: settings.auth.start(&methods).map_err(Error::Auth)?,
            limits: settings.limits.start(&methods),
            faults: settings.faults.start(&methods),
            calls: Some(Calls::new(&meter, &methods)),
            spans: Some(Spans::new(&traces, &methods)),
        };
        layers.limits.measure(&meter);
        layers.faults.measure(&meter);
        let store = Database::open(&settings.store)
            .await
            .map_err(Error::Store)?;
        store.measure(&meter);
        let health = Reporter::new(services::NAMES);
        let cache = Cache::new(&settings.cache);
        let closing = CancellationToken::new();
        let (feed, following) = Feed::start(
            store.clone(),
            &settings.feed,
            cache.clone(),
            closing.clone(),
        );
        feed.measure(&meter, cache.freshness());
        cache.measure(&meter);
        let background = Background {
            _following: following,
            _forgetting: retention::start(store.clone(), settings.store.retention),
            _closing: AbortOnDropHandle::new(tokio::spawn(close(health.clone(), closing))),
        };
        let for_calls = Traced::new(
            store.clone(),
            store.system(),
            traces.tracer(env!("CARGO_PKG_NAME")),
        );
        let calls = rpc::Service::new(for_calls, cache, feed);
        let services = Services::new(&settings, calls, &health).map_err(Error::Reflection)?;
        let tls = settings.server.tls.identity().await.map_err(Error::Tls)?;
        let grpc = settings.server.clone().bind_over(tls, &settings.runtime);
        let grpc = grpc.map_err(Error::Grpc)?.measured(&meter);
        let web = settings.web.clone().bind().map_err(Error::Web)?;
        let ops = settings.ops.clone().bind().map_err(Error::Ops)?;
        let ops = ops.with_logs(logs);
        Ok(Self {
            settings,
            telemetry,
            traces,
            records,
            services,
            layers,
            health,
            store,
            background,
            grpc,
            web,
            ops,
        })
    }

    /// Where gRPC is served, with the real port when the settings said 0.
    #[must_use]
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc.local_address()
    }

    /// Where browsers are served, if they are.
    #[must_use]
    pub fn web_address(&self) -> Option<SocketAddr> {
        self.web.as_ref().map(web::Bound::local_address)
    }

    /// Where probes are answered, with the real port when the settings said 0.
    #[must_use]
    pub fn ops_address(&self) -> SocketAddr {
        self.ops.local_address()
    }

    /// Serves until the first request to stop, drains, and closes the store.
    pub async fn serve(self, stop: stop::Requests) -> drain::Outcome {
        self.log_start();
        let mut checks: Vec<Box<dyn Check>> = vec![Box::new(StoreAnswers(self.store.clone()))];
        checks.extend(self.layers.guard.checks());
        let (readiness, probes) = Readiness::start(&self.settings.readiness, checks, &self.health);
        self.layers.guard.show(&readiness);
        readiness.measure(&self.telemetry.meter());
        if let Some(identity) = self.grpc.tls().cloned() {
            readiness.show("tls", move || identity.status().to_string());
        }
        let faults = faults::http::routes(self.layers.faults.clone(), &self.settings.instance.name);
        let ops = self.ops.also(faults::http::PATH, faults).serve(
            readiness.clone(),
            self.telemetry.clone(),
            ops::Version {
                name: env!("CARGO_PKG_NAME"),
                version: VERSION,
            },
        );
        let web = self.web.map(|web| {
            let health = self.health.clone();
            let closing = async move { health.closed().await };
            let calls = self.layers.clone().around(self.services.routes.clone());
            web.serve(calls, closing)
        });
        let calls = Straight::to(self.services.service, self.services.routes);
        let server = self.grpc.serve(self.layers.around(calls));
        let process = drain::Process {
            health: &self.health,
            readiness: &readiness,
            server,
            stop,
        };
        let outcome = drain::serve(&self.settings.drain, process, async {
            drop(probes);
            drop(self.background);
            if timeout(CLOSE, self.store.close()).await.is_err() {
                tracing::warn!("the store is still busy; leaving it as it is");
            }
            let (traces, metrics) = (self.traces.flush(), self.telemetry.flush());
            tokio::join!(traces, metrics, self.records.flush());
        })
        .await;
        drop((web, ops));
        outcome
    }

    fn log_start(&self) {
        let certificate = self
            .grpc
            .tls()
            .map(|identity| identity.status().to_string());
        tracing::info!(
            version = VERSION,
            instance = self.settings.instance.name,
            serving_as = self.settings.instance.version,
            grpc = %self.grpc_address(),
            ops = %self.ops_address(),
            web = self.web_address().map(tracing::field::display),
            transport = %self.settings.server.tls.mode,
            certificate,
            store = %self.settings.store.url,
            reflection = self.settings.reflection.enabled,
            "serving {}",
            services::NAMES[0]
        );
        if self.settings.faults.enabled {
            tracing::warn!(
                "faults.enabled is true: whoever reaches the ops listener can make calls fail"
            );
        }
        if self.settings.store.is_in_memory() {
            tracing::warn!(
                "the store is in memory: it is empty at the start and lost at the end; \
                 store.url = \"sqlite://FILE\" keeps it"
            );
        }
    }
}

/// Streams end when health watches do: after the notice, when clients send new calls elsewhere.
async fn close(health: Reporter, closing: CancellationToken) {
    health.closed().await;
    closing.cancel();
}

// === impl StoreAnswers ===

impl Check for StoreAnswers {
    fn name(&self) -> &'static str {
        "store"
    }

    fn probe(&self) -> Probe<'_> {
        Box::pin(async { self.0.ping().await.map_err(Into::into) })
    }
}
