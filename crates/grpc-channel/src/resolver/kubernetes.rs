//! The resolver of `k8s:` targets: it watches the EndpointSlices of a Service.
//!
//! Kubernetes' DNS tells about a new pod when the TTL of the old answer is over; a watch tells at
//! once. It asks for permission to list and watch `endpointslices` in the Service's namespace;
//! without that the resolver asks DNS instead, says so once, and tries again from time to time.

mod slices;

use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::runtime::watcher;
use kube::{Api, Client};
use tokio::time::Instant;

use self::slices::{Step, View};
use super::dns::{self, Dns};
use super::{Publisher, Resolve, ResolveError};

/// How often everything is listed anew though nothing broke. It bounds how long a change that got
/// lost stays unseen, and with it the age of the view while all is well.
const RELIST: Duration = Duration::from_mins(5);

/// How often it is tried, unless it is set, whether the watch is permitted by now, or a cluster is
/// there.
const TRY_AGAIN: Duration = Duration::from_mins(1);

/// How long one request to the API server may take; a watch is no such request.
const REQUEST: Duration = Duration::from_secs(10);

/// Which port of the pods to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// This one, on every pod. It is the port of the container and not of the Service.
    Number(u16),
    /// The one that has this name in the Service.
    Name(String),
}

/// Watches the EndpointSlices of one Service, for
/// [`Builder::connect_with`](crate::Builder::connect_with); a target of
/// `k8s:///service.namespace:port` makes one by itself, with the configuration of the pod or of
/// `kubectl`.
///
/// Pods take calls while they are ready and do not terminate. When the watch is denied, it asks DNS
/// for `service.namespace.svc` (or for the SRV records of a named port) instead, as the channel's
/// builder says about DNS, until the watch is permitted.
pub struct EndpointSlices {
    /// Without one it is looked for in the environment.
    client: Option<Client>,
    namespace: String,
    service: String,
    port: Port,
    dns_server: Option<SocketAddr>,
    try_again: Duration,
}

/// Why a watch ended.
enum Ended {
    /// It is time to list everything anew.
    Relist,
    /// The list is not to be believed yet.
    Doubtful,
    /// The API server did not answer.
    Silent,
    /// It broke.
    Broken(watcher::Error),
    /// It is not permitted.
    Denied(watcher::Error),
}

#[derive(Debug, thiserror::Error)]
#[error("the Kubernetes API did not answer within {0:?}")]
struct Silence(Duration);

// === impl EndpointSlices ===

impl EndpointSlices {
    /// The pods of a Service, at `port` of each: the container's port, not the Service's.
    #[must_use]
    pub fn new(
        client: Client,
        namespace: impl Into<String>,
        service: impl Into<String>,
        port: u16,
    ) -> Self {
        let port = Port::Number(port);
        Self::at(Some(client), namespace.into(), service.into(), port)
    }

    /// The pods of a Service, at the port that has this name in the Service.
    #[must_use]
    pub fn named_port(
        client: Client,
        namespace: impl Into<String>,
        service: impl Into<String>,
        port: impl Into<String>,
    ) -> Self {
        let port = Port::Name(port.into());
        Self::at(Some(client), namespace.into(), service.into(), port)
    }

    /// Asks this DNS server, when the watch is denied, instead of those that `resolv.conf` lists.
    #[must_use]
    pub fn dns_server(self, server: SocketAddr) -> Self {
        Self {
            dns_server: Some(server),
            ..self
        }
    }

    /// How often it is tried whether the watch is permitted by now, while DNS is asked instead: after
    /// this time and up to a tenth more, at least 10 ms. Default: 1 min.
    #[must_use]
    pub fn permission_interval(self, interval: Duration) -> Self {
        const SHORTEST: Duration = Duration::from_millis(10);
        Self {
            try_again: interval.max(SHORTEST),
            ..self
        }
    }

    /// With the configuration that the environment has.
    pub(crate) fn inferred(namespace: String, service: String, port: Port) -> Self {
        Self::at(None, namespace, service, port)
    }

    fn at(client: Option<Client>, namespace: String, service: String, port: Port) -> Self {
        Self {
            client,
            namespace,
            service,
            port,
            dns_server: None,
            try_again: TRY_AGAIN,
        }
    }

    fn name(&self) -> String {
        format!("{}.{}", self.service, self.namespace)
    }

    /// Only slices of the Service, whoever made them.
    fn selector(&self) -> String {
        format!("kubernetes.io/service-name={}", self.service)
    }

    async fn client(&self) -> Result<Client, Box<dyn std::error::Error + Send + Sync>> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let config = kube::Config::infer().await?;
        Ok(Client::try_from(config)?)
    }

    /// Watches until the watch has to begin anew.
    async fn watch(
        &self,
        api: &Api<EndpointSlice>,
        view: &mut View,
        publisher: &Publisher,
    ) -> Ended {
        let config = watcher::Config::default().labels(&self.selector());
        let mut events = pin!(watcher(api.clone(), config));
        let relist = tokio::time::sleep(RELIST.mul_f64(1.0 + 0.1 * fastrand::f64()));
        let mut relist = pin!(relist);
        let mut silence = pin!(tokio::time::sleep(REQUEST));
        let mut listed = false;
        loop {
            let event = tokio::select! {
                () = &mut relist => return Ended::Relist,
                () = &mut silence, if !listed => return Ended::Silent,
                event = events.next() => event,
            };
            let event = match event {
                Some(Ok(event)) => event,
                Some(Err(error)) if is_denied(&error) => return Ended::Denied(error),
                Some(Err(error)) => return Ended::Broken(error),
                // kube's watcher never ends.
                None => return Ended::Relist,
            };
            match view.apply(event) {
                Step::Incomplete => {}
                Step::Doubtful => {
                    tracing::warn!(
                        service = %self.name(),
                        "the list of EndpointSlices is empty right after an error; it is asked for again",
                    );
                    return Ended::Doubtful;
                }
                Step::Changed => {
                    listed = true;
                    publisher.publish(Ok(view.endpoints(&self.port))).await;
                }
            }
        }
    }

    /// What to ask while EndpointSlices cannot be watched.
    fn dns(&self, config: dns::Config) -> Dns {
        let (server, host) = (self.dns_server, format!("{}.svc", self.name()));
        match &self.port {
            Port::Number(port) => Dns::new(server, host, *port, config),
            Port::Name(port) => Dns::srv(server, format!("_{port}._tcp.{host}"), config),
        }
    }

    /// Asks DNS until EndpointSlices can be listed.
    async fn ask_dns(&self, client: Option<&Client>, publisher: &Publisher) {
        let permitted = async {
            loop {
                tokio::time::sleep(self.try_again.mul_f64(1.0 + 0.1 * fastrand::f64())).await;
                let client = match client {
                    Some(client) => Ok(client.clone()),
                    None => self.client().await,
                };
                let Ok(client) = client else { continue };
                let api: Api<EndpointSlice> = Api::namespaced(client, &self.namespace);
                let params = ListParams::default().labels(&self.selector()).limit(1);
                let list = tokio::time::timeout(REQUEST, api.list(&params)).await;
                if matches!(list, Ok(Ok(_))) {
                    return;
                }
            }
        };
        tokio::select! {
            () = self.dns(publisher.dns()).run(publisher.share()) => {}
            () = permitted => {
                tracing::info!(service = %self.name(), "EndpointSlices can be watched again");
            }
        }
    }

    fn failed(&self, error: impl std::error::Error + Send + Sync + 'static) -> ResolveError {
        ResolveError::Failed {
            name: self.name(),
            source: Arc::new(error),
        }
    }
}

impl fmt::Debug for EndpointSlices {
    /// The client may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointSlices")
            .field("namespace", &self.namespace)
            .field("service", &self.service)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Resolve for EndpointSlices {
    async fn run(self, publisher: Publisher) {
        /// How often the watch may begin anew after it has failed.
        const BACKOFF: crate::Backoff = crate::Backoff {
            base: Duration::from_millis(500),
            multiplier: 1.6,
            jitter: 0.2,
            max: Duration::from_secs(30),
        };
        let mut attempts = crate::backoff::Attempts::new(BACKOFF);
        let mut view = View::default();
        loop {
            let client = match self.client().await {
                Ok(client) => client,
                Err(error) => {
                    tracing::warn!(
                        service = %self.name(),
                        %error,
                        "there is no Kubernetes API to ask; DNS is asked instead",
                    );
                    self.ask_dns(None, &publisher).await;
                    continue;
                }
            };
            let api = Api::namespaced(client.clone(), &self.namespace);
            let began = Instant::now();
            match self.watch(&api, &mut view, &publisher).await {
                Ended::Relist => {
                    attempts.succeeded();
                    continue;
                }
                Ended::Doubtful => {}
                Ended::Denied(error) => {
                    tracing::warn!(
                        service = %self.name(),
                        error = &error as &dyn std::error::Error,
                        "EndpointSlices may not be watched; DNS is asked instead. Expected is a \
                         Role with the verbs list and watch on endpointslices in discovery.k8s.io",
                    );
                    self.ask_dns(Some(&client), &publisher).await;
                    continue;
                }
                Ended::Silent => {
                    view.broke();
                    let error = self.failed(Silence(REQUEST));
                    publisher.publish(Err(error)).await;
                }
                Ended::Broken(error) => {
                    view.broke();
                    publisher.publish(Err(self.failed(error))).await;
                }
            }
            if began.elapsed() > BACKOFF.max {
                attempts.succeeded();
            }
            tokio::time::sleep(attempts.failed(fastrand::f64())).await;
        }
    }
}

fn is_denied(error: &watcher::Error) -> bool {
    let denied = |code: u16| matches!(code, 401 | 403);
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => {
            matches!(error, kube::Error::Api(status) if denied(status.code))
        }
        watcher::Error::WatchError(status) => denied(status.code),
        watcher::Error::NoResourceVersion => false,
    }
}
