//! As much of the Kubernetes API as a watch of EndpointSlices needs: list and watch over HTTP/1.1,
//! with resource versions, and the faults that a test asks for.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use crate::replica::unused_address;

/// An API server that lives as long as this value.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    _serving: AbortOnDropHandle<()>,
}

struct State {
    cluster: Mutex<Cluster>,
    /// Changes with everything that watches are told.
    changed: watch::Sender<u64>,
    /// Changes to end the watches of that moment.
    cut: watch::Sender<u64>,
}

#[derive(Default)]
struct Cluster {
    slices: BTreeMap<String, Value>,
    /// What happened, by resource version: the first is number 1.
    log: Vec<Value>,
    /// The status that every request gets instead of an answer.
    fault: Option<u16>,
    /// How many of the next lists are empty, whatever there is.
    empty_lists: usize,
    lists: usize,
    watches: usize,
}

type Body = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

// === impl Api ===

impl Api {
    pub(crate) async fn start() -> Self {
        Self::start_at(unused_address(), None).await
    }

    /// One that speaks HTTPS, as every real one does.
    #[cfg(feature = "tls")]
    pub(crate) async fn start_secure(address: SocketAddr, config: rustls::ServerConfig) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::start_at(address, Some(acceptor)).await
    }

    async fn start_at(address: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let state = Arc::new(State {
            cluster: Mutex::default(),
            changed: watch::Sender::new(0),
            cut: watch::Sender::new(0),
        });
        let serving = tokio::spawn(serve(listener, tls, state.clone()));
        Self {
            address,
            state,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    pub(crate) fn client(&self) -> kube::Client {
        let uri = format!("http://{}", self.address).parse().unwrap();
        kube::Client::try_from(kube::Config::new(uri)).unwrap()
    }

    /// Creates or replaces a slice.
    pub(crate) fn apply(&self, name: &str, endpoints: &Value) {
        let mut cluster = self.state.cluster.lock().unwrap();
        let kind = if cluster.slices.contains_key(name) {
            "MODIFIED"
        } else {
            "ADDED"
        };
        let version = cluster.log.len() + 1;
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": name,
                "namespace": "default",
                "resourceVersion": version.to_string(),
                "labels": {"kubernetes.io/service-name": "echo"},
            },
            "addressType": "IPv4",
            "ports": [{"name": "grpc", "port": crate::replica::PORT, "protocol": "TCP"}],
            "endpoints": endpoints,
        });
        cluster.slices.insert(name.to_owned(), slice.clone());
        cluster.log.push(json!({"type": kind, "object": slice}));
        drop(cluster);
        self.state.changed.send_modify(|changed| *changed += 1);
    }

    pub(crate) fn delete(&self, name: &str) {
        let mut cluster = self.state.cluster.lock().unwrap();
        let mut slice = cluster.slices.remove(name).unwrap();
        slice["metadata"]["resourceVersion"] = json!((cluster.log.len() + 1).to_string());
        cluster
            .log
            .push(json!({"type": "DELETED", "object": slice}));
        drop(cluster);
        self.state.changed.send_modify(|changed| *changed += 1);
    }

    /// Answers every request with this status, or as usual.
    pub(crate) fn fault(&self, code: Option<u16>) {
        self.state.cluster.lock().unwrap().fault = code;
    }

    /// Answers the next lists with nothing.
    pub(crate) fn list_nothing(&self, times: usize) {
        self.state.cluster.lock().unwrap().empty_lists = times;
    }

    /// Tells the watches of this moment that their version is too old, and ends them.
    pub(crate) fn cut_watches(&self) {
        self.state.cut.send_modify(|cut| *cut += 1);
    }

    pub(crate) fn lists(&self) -> usize {
        self.state.cluster.lock().unwrap().lists
    }

    pub(crate) fn watches(&self) -> usize {
        self.state.cluster.lock().unwrap().watches
    }
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let state = state.clone();
        let service = service_fn(move |request| {
            let state = state.clone();
            async move { Ok::<_, Infallible>(state.answer(&request)) }
        });
        let serving = hyper::server::conn::http1::Builder::new();
        let Some(tls) = tls.clone() else {
            tokio::spawn(serving.serve_connection(TokioIo::new(socket), service));
            continue;
        };
        tokio::spawn(async move {
            let socket = tls.accept(socket).await.unwrap();
            serving
                .serve_connection(TokioIo::new(socket), service)
                .await
        });
    }
}

// === impl State ===

impl State {
    fn answer<T>(self: Arc<Self>, request: &http::Request<T>) -> http::Response<Body> {
        let path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
        assert_eq!(request.uri().path(), path, "nothing else is asked for");
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        let selector = query.get("labelSelector").map(String::as_str);
        assert_eq!(selector, Some("kubernetes.io/service-name=echo"));
        let mut cluster = self.cluster.lock().unwrap();
        if let Some(code) = cluster.fault {
            return json_response(code, &status(code));
        }
        let watches = query.get("watch").is_some_and(|watch| watch == "true");
        if !watches {
            cluster.lists += 1;
            let items: Vec<&Value> = if cluster.empty_lists > 0 {
                Vec::new()
            } else {
                cluster.slices.values().collect()
            };
            let list = json!({
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSliceList",
                "metadata": {"resourceVersion": cluster.log.len().to_string()},
                "items": items,
            });
            cluster.empty_lists = cluster.empty_lists.saturating_sub(1);
            return json_response(200, &list);
        }
        cluster.watches += 1;
        drop(cluster);
        let from: usize = query["resourceVersion"].parse().unwrap();
        let events = self.events(from);
        let mut response = http::Response::new(StreamBody::new(events.boxed()));
        let json = "application/json".parse().unwrap();
        response.headers_mut().insert("content-type", json);
        response
    }

    /// What happens after a version, line by line.
    fn events(
        self: Arc<Self>,
        from: usize,
    ) -> impl stream::Stream<Item = Result<Frame<Bytes>, Infallible>> {
        let (mut changed, mut cut) = (self.changed.subscribe(), self.cut.subscribe());
        async_stream(move |lines| async move {
            let mut sent = from;
            loop {
                let news: Vec<Value> = {
                    let cluster = self.cluster.lock().unwrap();
                    cluster.log.iter().skip(sent).cloned().collect()
                };
                for event in news {
                    sent += 1;
                    let _ = lines.send(line(&event)).await;
                }
                tokio::select! {
                    _ = changed.changed() => {}
                    _ = cut.changed() => {
                        let gone = json!({"type": "ERROR", "object": status(410)});
                        let _ = lines.send(line(&gone)).await;
                        return;
                    }
                    () = lines.closed() => return,
                }
            }
        })
    }
}

/// A stream of what a task sends.
fn async_stream<F: Future<Output = ()> + Send + 'static>(
    task: impl FnOnce(tokio::sync::mpsc::Sender<Bytes>) -> F,
) -> impl stream::Stream<Item = Result<Frame<Bytes>, Infallible>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(task(sender));
    tokio_stream::wrappers::ReceiverStream::new(receiver).map(|bytes| Ok(Frame::data(bytes)))
}

fn line(event: &Value) -> Bytes {
    format!("{event}\n").into()
}

fn status(code: u16) -> Value {
    let reason = match code {
        403 => "Forbidden",
        410 => "Expired",
        _ => "InternalError",
    };
    json!({
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "message": format!("the test asked for {reason}"),
        "reason": reason,
        "code": code,
    })
}

fn json_response(code: u16, value: &Value) -> http::Response<Body> {
    let body = stream::iter([Ok(Frame::data(value.to_string().into()))]).boxed();
    http::Response::builder()
        .status(code)
        .header("content-type", "application/json")
        .body(StreamBody::new(body))
        .unwrap()
}
