//! A gRPC service that answers what it is told, and a client of it: both ends of every test.
//!
//! It is written by hand, as the crate has no build script; its bytes are those of any other.

mod client;
mod health;

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http::HeaderMap;
use http::uri::PathAndQuery;
use prost::Message as _;
use prost_types::method_options::IdempotencyLevel;
use prost_types::{
    FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, MethodOptions,
    ServiceDescriptorProto,
};
use tokio::sync::watch;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

pub(crate) use self::client::Client;
pub(crate) use self::health::Health;

/// Larger than any message of a test.
const MAX_MESSAGE: usize = 64 << 20;

/// The metadata that names the replica in every response.
const SERVED_BY: &str = "x-served-by";

/// The only message: a request and its answer.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Message {
    #[prost(uint64, tag = "1")]
    pub(crate) number: u64,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) payload: Bytes,
}

/// The methods, whose idempotency the [`descriptors`] tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Unary, `NO_SIDE_EFFECTS`: answers its request.
    Read,
    /// Unary, not repeatable: answers its request.
    Add,
    /// A server stream: answers its request as often as its number says.
    Watch,
    /// A client stream: answers how many messages there were, and their lengths' sum as a payload.
    Import,
    /// A bidirectional stream: answers each message as it comes.
    Chat,
}

/// What one replica does with its calls, and what it saw of them.
pub(crate) struct Behaviour {
    pub(crate) name: String,
    /// Handlers wait here before they answer; a server stream after its first message.
    open: watch::Sender<bool>,
    /// How many of the next calls are refused, and with what.
    refusals: Mutex<(usize, Code)>,
    health: watch::Sender<Health>,
    /// How many watches of the health there were.
    watches: AtomicUsize,
    started: AtomicU64,
    /// How many handlers run.
    running: AtomicUsize,
    /// How many were dropped before they had answered.
    cancelled: AtomicU64,
    /// How many messages client streams brought.
    received: AtomicU64,
    seen: Mutex<Vec<Seen>>,
}

/// The head of one call as its replica saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) authority: String,
    pub(crate) scheme: String,
    pub(crate) headers: HeaderMap,
}

/// Counts a handler while it runs.
struct Running {
    behaviour: Arc<Behaviour>,
    answered: bool,
}

#[derive(Clone)]
struct Handler {
    behaviour: Arc<Behaviour>,
    method: Method,
}

/// The service's descriptors, serialized.
pub(crate) fn descriptors() -> Vec<u8> {
    let method = |method: Method, level| MethodDescriptorProto {
        name: Some(format!("{method:?}")),
        server_streaming: Some(method == Method::Watch),
        options: Some(MethodOptions {
            idempotency_level: Some(i32::from(level)),
            ..MethodOptions::default()
        }),
        ..MethodDescriptorProto::default()
    };
    FileDescriptorSet {
        file: vec![FileDescriptorProto {
            package: Some("echo.v1".to_owned()),
            service: vec![ServiceDescriptorProto {
                name: Some("EchoService".to_owned()),
                method: vec![
                    method(Method::Read, IdempotencyLevel::NoSideEffects),
                    method(Method::Add, IdempotencyLevel::IdempotencyUnknown),
                    method(Method::Watch, IdempotencyLevel::NoSideEffects),
                    method(Method::Import, IdempotencyLevel::Idempotent),
                ],
                ..ServiceDescriptorProto::default()
            }],
            ..FileDescriptorProto::default()
        }],
    }
    .encode_to_vec()
}

/// Which replica answered.
pub(crate) fn served_by<T>(response: &Response<T>) -> String {
    let value = response.metadata().get(SERVED_BY);
    let value = value.expect("every response names its replica");
    value.to_str().expect("a name is ASCII").to_owned()
}

/// A request with this payload.
pub(crate) fn message(payload: impl Into<Bytes>) -> Message {
    Message {
        number: 1,
        payload: payload.into(),
    }
}

// === impl Method ===

impl Method {
    const ALL: [Self; 5] = [Self::Read, Self::Add, Self::Watch, Self::Import, Self::Chat];

    pub(crate) fn path(self) -> PathAndQuery {
        let path = format!("/echo.v1.EchoService/{self:?}");
        path.parse().expect("a method's name is a path")
    }

    fn of(path: &str) -> Option<Self> {
        let called = |method: &Self| method.path().as_str() == path;
        Self::ALL.into_iter().find(called)
    }
}

// === impl Behaviour ===

impl Behaviour {
    pub(crate) fn new(name: String) -> Arc<Self> {
        Arc::new(Self {
            name,
            open: watch::Sender::new(true),
            refusals: Mutex::new((0, Code::Ok)),
            health: watch::Sender::new(Health::Failing(Code::Unimplemented)),
            watches: AtomicUsize::new(0),
            started: AtomicU64::new(0),
            running: AtomicUsize::new(0),
            cancelled: AtomicU64::new(0),
            received: AtomicU64::new(0),
            seen: Mutex::default(),
        })
    }

    /// Makes handlers wait.
    pub(crate) fn hold(&self) {
        self.open.send_replace(false);
    }

    /// Lets them go on.
    pub(crate) fn release(&self) {
        self.open.send_replace(true);
    }

    /// Answers the next `calls` calls with a code and nothing else.
    pub(crate) fn refuse(&self, calls: usize, code: Code) {
        *self.refusals.lock().unwrap() = (calls, code);
    }

    /// What its health service says from now on; at first there is none.
    pub(crate) fn says(&self, health: Health) {
        self.health.send_replace(health);
    }

    pub(crate) fn watches(&self) -> usize {
        self.watches.load(Ordering::SeqCst)
    }

    pub(crate) fn started(&self) -> u64 {
        self.started.load(Ordering::SeqCst)
    }

    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    pub(crate) fn cancelled(&self) -> u64 {
        self.cancelled.load(Ordering::SeqCst)
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::SeqCst)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    async fn pass(&self) {
        let mut open = self.open.subscribe();
        let passed = open.wait_for(|open| *open).await;
        passed.expect("the gate is owned by this behaviour");
    }

    fn refusal(&self) -> Option<Status> {
        let mut refusals = self.refusals.lock().unwrap();
        let (left, code) = *refusals;
        refusals.0 = left.checked_sub(1)?;
        Some(Status::new(code, "refused as the test asked"))
    }

    /// Answers one HTTP/2 request.
    pub(crate) async fn serve(
        self: Arc<Self>,
        request: http::Request<hyper::body::Incoming>,
    ) -> http::Response<tonic::body::Body> {
        if request.uri().path() == health::PATH {
            self.watches.fetch_add(1, Ordering::SeqCst);
            return health::serve(self.health.subscribe(), request).await;
        }
        self.started.fetch_add(1, Ordering::SeqCst);
        let authority = request.uri().authority().expect("HTTP/2 has an authority");
        self.seen.lock().unwrap().push(Seen {
            authority: authority.to_string(),
            scheme: request.uri().scheme_str().unwrap_or_default().to_owned(),
            headers: request.headers().clone(),
        });
        let name = self.name.parse().expect("a name is ASCII");
        let method = Method::of(request.uri().path()).expect("the service has this method");
        let handler = Handler {
            behaviour: self,
            method,
        };
        let mut response = tonic::server::Grpc::new(ProstCodec::<Message, Message>::default())
            .apply_max_message_size_config(Some(MAX_MESSAGE), Some(MAX_MESSAGE))
            .streaming(handler, request)
            .await;
        response.headers_mut().insert(SERVED_BY, name);
        response
    }
}

// === impl Seen ===

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().expect("ASCII"))
    }
}

// === impl Running ===

impl Running {
    fn new(behaviour: &Arc<Behaviour>) -> Self {
        behaviour.running.fetch_add(1, Ordering::SeqCst);
        Self {
            behaviour: behaviour.clone(),
            answered: false,
        }
    }

    fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.answered {
            self.behaviour.cancelled.fetch_add(1, Ordering::SeqCst);
        }
        self.behaviour.running.fetch_sub(1, Ordering::SeqCst);
    }
}

// === impl Handler ===

type Messages = BoxStream<'static, Result<Message, Status>>;

impl Handler {
    async fn answer(self, request: Request<Streaming<Message>>) -> Result<Messages, Status> {
        if let Some(refusal) = self.behaviour.refusal() {
            return Err(refusal);
        }
        let running = Running::new(&self.behaviour);
        let mut requests = request.into_inner();
        match self.method {
            Method::Read | Method::Add => {
                let request = requests.message().await?;
                self.behaviour.pass().await;
                running.answered();
                Ok(stream::iter(request.map(Ok)).boxed())
            }
            Method::Watch => {
                let request = requests.message().await?.unwrap_or_default();
                Ok(self.watch(request, running))
            }
            Method::Import => {
                let mut answer = Message::default();
                let mut bytes = 0;
                while let Some(message) = requests.message().await? {
                    self.behaviour.received.fetch_add(1, Ordering::SeqCst);
                    answer.number += 1;
                    bytes += message.payload.len();
                }
                self.behaviour.pass().await;
                answer.payload = bytes.to_string().into();
                running.answered();
                Ok(stream::iter([Ok(answer)]).boxed())
            }
            Method::Chat => Ok(requests
                .map(move |message| {
                    let _running = &running;
                    message
                })
                .boxed()),
        }
    }

    fn watch(self, request: Message, running: Running) -> Messages {
        let state = (0, self.behaviour, running);
        stream::unfold(state, move |(number, behaviour, running)| {
            let request = request.clone();
            async move {
                if number == request.number {
                    running.answered();
                    return None;
                }
                if number > 0 {
                    behaviour.pass().await;
                }
                let payload = request.payload;
                let answer = Message { number, payload };
                Some((Ok(answer), (number + 1, behaviour, running)))
            }
        })
        .boxed()
    }
}

impl tower::Service<Request<Streaming<Message>>> for Handler {
    type Response = Response<Messages>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Streaming<Message>>) -> Self::Future {
        let answer = self.clone().answer(request);
        Box::pin(async { Ok(Response::new(answer.await?)) })
    }
}
