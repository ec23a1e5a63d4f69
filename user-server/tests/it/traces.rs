//! One trace from a client over its attempts and the replica to the store, as a collector sees it.

mod source;

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use grpc_channel::{Channel, HedgingPolicy};
use service_runtime::server::{Config, Running as Fake};
use service_runtime::telemetry::Service;
use service_runtime::telemetry::traces::{Protocol, Traces};
use tonic::{Code, Status};
use user_api::v1;
use user_api::v1::lookup_users_request::Key;
use user_api::v1::user_service_client::UserServiceClient;

use self::source::Source;
use crate::collector::{CLIENT, INTERNAL, SERVER, Seen};
use crate::otelcol;
use crate::running::{Running, Shared, creation, databases, settings, sqlite};
use crate::soon;

const LIST: &str = "user.v1.UserService/ListUsers";
/// What the store's spans say that they work on.
const TABLE: &str = "users";
const REPLICAS: [&str; 3] = ["replica-1", "replica-2", "replica-3"];

/// Three replicas on one database, and a client, that all tell one collector.
struct World {
    source: Source,
    replicas: Vec<Running>,
    traces: Traces,
    database: Shared,
}

/// What the spans of one call are, from the outside inwards.
struct Tree<'a> {
    call: &'a Seen,
    /// In the order in which they were begun.
    attempts: Vec<&'a Seen>,
}

/// A replica that answers every call with UNAVAILABLE.
fn refusing() -> Fake {
    bound().serve(tower::service_fn(|_| async {
        let status = Status::unavailable("on purpose");
        Ok::<_, Infallible>(status.into_http::<tonic::body::Body>())
    }))
}

/// A replica that answers no call.
fn silent() -> Fake {
    bound().serve(tower::service_fn(|_| {
        pending::<Result<tonic::codegen::http::Response<tonic::body::Body>, Infallible>>()
    }))
}

fn bound() -> service_runtime::server::Bound {
    let address = ([127, 0, 0, 1], 0).into();
    let config = Config {
        address,
        ..Config::default()
    };
    config.bind().unwrap()
}

/// Those that have this one as their parent.
fn children<'a>(spans: &'a [Seen], parent: &Seen) -> Vec<&'a Seen> {
    let mut children: Vec<_> = spans
        .iter()
        .filter(|span| span.trace == parent.trace && span.parent == parent.id)
        .collect();
    children.sort_by_key(|span| span.start);
    children
}

/// Follows an attempt that a replica answered, down to the store.
fn assert_reaches_the_store<'a>(spans: &'a [Seen], attempt: &Seen) -> &'a Seen {
    assert_eq!(attempt.attribute("rpc.response.status_code"), "OK");
    let [server] = children(spans, attempt)[..] else {
        panic!("an attempt has one server: {attempt:#?}");
    };
    assert_eq!((server.name.as_str(), server.kind), (LIST, SERVER));
    assert_eq!(server.resource["service.name"], "user-server");
    assert!(REPLICAS.contains(&server.resource["service.instance.id"].as_str()));
    assert_eq!(server.attribute("client.address"), "127.0.0.1");
    let [store] = children(spans, server)[..] else {
        panic!("a server's span has the one operation of the store: {server:#?}");
    };
    assert_eq!(store.name, format!("list {TABLE}"));
    assert_eq!(store.kind, CLIENT);
    assert_eq!(store.attribute("db.operation.name"), "list");
    assert_eq!(store.attribute("db.collection.name"), TABLE);
    let (event, wait) = &store.events[0];
    assert_eq!(event, "connection acquired");
    assert!(wait.contains_key("db.client.connection.wait_time"));
    assert_eq!(store.resource, server.resource);
    store
}

// === impl World ===

impl World {
    async fn start() -> Self {
        Self::on(Source::ours().await, sqlite()).await
    }

    async fn on(source: Source, database: Shared) -> Self {
        let mut replicas = Vec::new();
        for name in REPLICAS {
            let mut settings = settings(&database.url);
            name.clone_into(&mut settings.instance.name);
            settings.telemetry = source.config();
            replicas.push(Running::start(settings).await);
        }
        let service = Service {
            name: "client",
            version: "1.2.3",
            instance: "client-1".to_owned(),
        };
        Self {
            traces: Traces::start(&source.config(), &service, None).unwrap(),
            source,
            replicas,
            database,
        }
    }

    /// A client of all replicas, and of this one as well.
    fn client(
        &self,
        other: Option<SocketAddr>,
        hedging: Option<HedgingPolicy>,
    ) -> UserServiceClient<Channel> {
        let replicas = self.replicas.iter().map(|replica| replica.grpc);
        let addresses: Vec<_> = replicas.chain(other).map(|it| it.to_string()).collect();
        let channel = Channel::builder(format!("ipv4:{}", addresses.join(",")))
            .descriptors(user_api::FILE_DESCRIPTOR_SET)
            .hedging(hedging)
            .tracer_provider(self.traces.provider().unwrap())
            .text_map_propagator(self.traces.propagation().clone())
            .connect()
            .unwrap();
        UserServiceClient::new(channel)
    }

    /// Everything that anybody has told, once nobody tells more.
    async fn end(self) -> Vec<Seen> {
        self.traces.flush().await;
        for replica in self.replicas {
            replica.stop().await;
        }
        self.source.end().await
    }
}

/// Calls so often that every replica has its turn.
async fn list(client: &mut UserServiceClient<Channel>) {
    for _ in 0..8 {
        let call = client.list_users(v1::ListUsersRequest::default());
        soon("the answer", call).await.unwrap();
    }
}

// === impl Tree ===

impl<'a> Tree<'a> {
    /// One for each call of `ListUsers`.
    fn all(spans: &'a [Seen]) -> Vec<Self> {
        let calls = spans.iter().filter(|span| span.parent.is_empty());
        let trees = calls.filter(|span| span.name == LIST).map(|call| {
            assert_eq!(call.kind, INTERNAL);
            assert_eq!(call.resource["service.name"], "client");
            let attempts = children(spans, call);
            for attempt in &attempts {
                assert_eq!((attempt.name.as_str(), attempt.kind), (LIST, CLIENT));
                assert_eq!(attempt.attribute("network.peer.address"), "127.0.0.1");
            }
            Self { call, attempts }
        });
        trees.collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_one_trace_from_the_client_to_the_store() {
    for database in databases().await {
        one_trace(World::on(Source::ours().await, database).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_retried_is_one_trace_with_both_attempts() {
    retried(World::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_hedged_is_one_trace_with_both_attempts() {
    hedged(World::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_collector_gets_the_same_traces_by_either_protocol() {
    let Some(program) = otelcol::program().await else {
        return;
    };
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let world = async || World::on(Source::real(program, protocol).await, sqlite()).await;
        one_trace(world().await).await;
        retried(world().await).await;
        hedged(world().await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_collector_of_a_cluster_passes_the_same_traces_on() {
    let Some(program) = otelcol::program().await else {
        return;
    };
    let world = async || World::on(Source::cluster(program).await, sqlite()).await;
    one_trace(world().await).await;
    retried(world().await).await;
    hedged(world().await).await;
}

async fn one_trace(world: World) {
    let system = match world.database.url.split_once(':') {
        Some(("sqlite", _)) => "sqlite",
        _ => "postgresql",
    };
    let mut client = world.client(None, None);
    list(&mut client).await;
    let spans = world.end().await;
    let trees = Tree::all(&spans);
    assert_eq!(trees.len(), 8, "each call is a trace of its own");
    for Tree { call, attempts } in &trees {
        let [attempt] = attempts[..] else {
            panic!("nothing was sent twice: {attempts:#?}");
        };
        assert_eq!(call.attribute("rpc.response.status_code"), "OK");
        assert_eq!(attempt.attribute("previous-rpc-attempts"), "0");
        assert_eq!(attempt.attribute("transparent-retry"), "false");
        let store = assert_reaches_the_store(&spans, attempt);
        assert_eq!(store.attribute("db.system.name"), system);
    }
    let replicas = trees.iter().map(|tree| {
        let server = children(&spans, tree.attempts[0])[0];
        server.resource["service.instance.id"].as_str()
    });
    let replicas: std::collections::BTreeSet<_> = replicas.collect();
    assert_eq!(replicas.len(), 3, "the traces show every replica");
}

async fn retried(world: World) {
    let fake = refusing();
    let mut client = world.client(Some(fake.local_address()), None);
    list(&mut client).await;
    let spans = world.end().await;
    let trees = Tree::all(&spans);
    assert_eq!(trees.len(), 8);
    let mut retried = 0;
    for Tree { call, attempts } in &trees {
        assert!(!call.is_error, "the caller saw no failure");
        let (last, refused) = attempts.split_last().unwrap();
        assert_reaches_the_store(&spans, last);
        assert_eq!(
            last.attribute("previous-rpc-attempts"),
            refused.len().to_string()
        );
        for refused in refused {
            retried += 1;
            assert_eq!(refused.attribute("rpc.response.status_code"), "UNAVAILABLE");
            assert_eq!(refused.attribute("error.type"), "UNAVAILABLE");
            assert!(refused.is_error);
            let port = fake.local_address().port().to_string();
            assert_eq!(refused.attribute("network.peer.port"), port);
            assert!(children(&spans, refused).is_empty());
        }
    }
    assert!(retried > 0, "the replica that refuses had its turn");
}

async fn hedged(world: World) {
    let fake = silent();
    let hedging = HedgingPolicy {
        hedging_delay: Duration::from_millis(20),
        ..HedgingPolicy::default()
    };
    let mut client = world.client(Some(fake.local_address()), Some(hedging));
    list(&mut client).await;
    let spans = world.end().await;
    let trees = Tree::all(&spans);
    assert_eq!(trees.len(), 8);
    let port = fake.local_address().port().to_string();
    let hedged: Vec<_> = trees
        .iter()
        .filter(|tree| tree.attempts[0].attribute("network.peer.port") == port)
        .collect();
    assert!(!hedged.is_empty(), "the silent replica had its turn");
    for Tree { call, attempts } in hedged {
        let [silent, hedge] = attempts[..] else {
            panic!("a hedged call has two attempts: {attempts:#?}");
        };
        assert!(!call.is_error, "the caller saw no failure");
        assert_eq!(silent.attribute("rpc.response.status_code"), "CANCELLED");
        assert!(children(&spans, silent).is_empty());
        assert_reaches_the_store(&spans, hedge);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_done_is_the_stores_answer_and_no_value_is_told() {
    let world = World::start().await;
    let mut client = world.client(None, None);
    let ada = || creation("Ada", "ada@example.com");
    client.create_user(ada()).await.unwrap();
    let status = client.create_user(ada()).await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists);
    let spans = world.end().await;
    let creations: Vec<_> = spans
        .iter()
        .filter(|span| span.name == format!("create {TABLE}"))
        .collect();
    assert_eq!(creations.len(), 2);
    let refused = creations
        .iter()
        .find(|span| span.attributes.contains_key("error.type"));
    let refused = refused.expect("the second one is refused");
    assert_eq!(refused.attribute("error.type"), "email_taken");
    assert!(!refused.is_error, "the database did what it should");
    let all = format!("{spans:?}");
    assert!(
        !all.contains("ada@example.com") && !all.contains("Ada"),
        "what callers send is in no span"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_with_b3_of_a_mesh_join_its_trace() {
    let world = World::start().await;
    let mut client = UserServiceClient::new(crate::running::channel(world.replicas[0].grpc).await);
    let trace = "80f198ee56343ba864fe8b2a57d3eff7";
    let mut request = tonic::Request::new(v1::ListUsersRequest::default());
    let b3 = format!("{trace}-e457b5a2e4d86bd1-1");
    request.metadata_mut().insert("b3", b3.parse().unwrap());
    client.list_users(request).await.unwrap();
    let spans = world.end().await;
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(spans.len(), 2, "{names:?}");
    for span in &spans {
        assert_eq!(span.trace, trace, "{span:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stream_asks_the_store_while_it_answers_is_in_its_trace() {
    let world = World::start().await;
    let mut client = world.client(None, None);
    let questions = ["one", "two"].map(|name| v1::LookupUsersRequest {
        tag: name.to_owned(),
        key: Some(Key::Email(format!("{name}@example.com"))),
    });
    let call = client.lookup_users(tokio_stream::iter(questions));
    let mut answers = soon("the headers", call).await.unwrap().into_inner();
    while answers.message().await.unwrap().is_some() {}
    let spans = world.end().await;
    let server = spans.iter().find(|span| span.kind == SERVER).unwrap();
    assert_eq!(server.attribute("rpc.messages.received"), "2");
    assert_eq!(server.attribute("rpc.messages.sent"), "2");
    let store = children(&spans, server);
    let name = format!("find_by_email {TABLE}");
    assert_eq!(store.len(), 2);
    assert!(store.iter().all(|span| span.name == name), "{store:#?}");
}
