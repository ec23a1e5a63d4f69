//! An identity from a Workload API of ours, which speaks the published protocol on a Unix socket.
//! SPIRE itself is not here; what it adds (attestation, nodes) is not the workload's business.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use service_runtime::tls::client;
use service_runtime::tls::server::{Config, IdentitySource, Mode};
use service_runtime::tls::{LoadError, Reloader};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_stream::wrappers::{UnixListenerStream, WatchStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};

use self::pb::spiffe_workload_api_server::{SpiffeWorkloadApi, SpiffeWorkloadApiServer};
use super::certificates::{Authority, CLIENT, Identity, SERVER, Validity};
use super::client::{certificate_of, connect, refused, trusting};
use crate::subject::{self, asking, on_a_free_port, soon};

#[allow(
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    reason = "generated code"
)]
mod pb {
    include!(concat!(env!("OUT_DIR"), "/_.rs"));
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Hands out one identity, which the test replaces.
struct Agent {
    current: watch::Sender<pb::X509svidResponse>,
    folder: tempfile::TempDir,
    _task: tokio_util::task::AbortOnDropHandle<()>,
}

struct Api(watch::Receiver<pb::X509svidResponse>);

// === impl Agent ===

impl Agent {
    fn start(identity: &Identity, authority: &Authority) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(socket(folder.path())).unwrap();
        let (current, current_of) = watch::channel(answer(identity, authority));
        let task = tokio::spawn(async move {
            tonic::transport::Server::builder()
                .add_service(SpiffeWorkloadApiServer::new(Api(current_of)))
                .serve_with_incoming(UnixListenerStream::new(listener))
                .await
                .unwrap();
        });
        Self {
            current,
            folder,
            _task: tokio_util::task::AbortOnDropHandle::new(task),
        }
    }

    fn rotate(&self, identity: &Identity, authority: &Authority) {
        self.current.send_replace(answer(identity, authority));
    }

    fn tls(&self, mode: Mode) -> Config {
        Config {
            mode,
            source: IdentitySource::Spiffe,
            spiffe_endpoint: format!("unix://{}", socket(self.folder.path()).display()),
            ..Config::default()
        }
    }

    /// A client that has its identity and its trust from here.
    fn client(&self) -> client::Config {
        client::Config {
            enabled: true,
            source: IdentitySource::Spiffe,
            spiffe_endpoint: self.tls(Mode::Tls).spiffe_endpoint,
            ..client::Config::default()
        }
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("agent.sock")
}

fn answer(identity: &Identity, authority: &Authority) -> pb::X509svidResponse {
    let svid = pb::X509svid {
        spiffe_id: ID.to_owned(),
        x509_svid: identity.der().to_vec(),
        x509_svid_key: identity.key().secret_der().to_vec(),
        bundle: authority.der().to_vec(),
        hint: String::new(),
    };
    pb::X509svidResponse {
        svids: vec![svid],
        ..pb::X509svidResponse::default()
    }
}

// === impl Api ===

#[tonic::async_trait]
impl SpiffeWorkloadApi for Api {
    type FetchX509SVIDStream = Answers<pb::X509svidResponse>;
    type FetchX509BundlesStream = Answers<pb::X509BundlesResponse>;
    type FetchJWTBundlesStream = Answers<pb::JwtBundlesResponse>;

    async fn fetch_x509svid(
        &self,
        request: Request<pb::X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        // The specification's guard against forged requests (SPIFFE Workload API, section 5).
        if request.metadata().get("workload.spiffe.io").is_none() {
            return Err(Status::invalid_argument("security header missing"));
        }
        let answers = WatchStream::new(self.0.clone()).map(Ok);
        Ok(Response::new(Box::pin(answers)))
    }

    async fn fetch_x509_bundles(
        &self,
        _: Request<pb::X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        Err(Status::unimplemented("no test asks for bundles alone"))
    }

    async fn fetch_jwtsvid(
        &self,
        _: Request<pb::JwtsvidRequest>,
    ) -> Result<Response<pb::JwtsvidResponse>, Status> {
        Err(Status::unimplemented("no test asks for tokens"))
    }

    async fn fetch_jwt_bundles(
        &self,
        _: Request<pb::JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        Err(Status::unimplemented("no test asks for tokens"))
    }

    async fn validate_jwtsvid(
        &self,
        _: Request<pb::ValidateJwtsvidRequest>,
    ) -> Result<Response<pb::ValidateJwtsvidResponse>, Status> {
        Err(Status::unimplemented("no test asks for tokens"))
    }
}

/// The server's SPIFFE ID, in the trust domain of the tests' clients.
const ID: &str = "spiffe://cluster.test/ns/here/sa/server";

fn svid(authority: &Authority) -> Identity {
    authority.issue_svid(SERVER, ID)
}

async fn start(
    tls: Config,
) -> (
    service_runtime::server::Running,
    Reloader<rustls::ServerConfig>,
) {
    let identity = soon("the first identity", tls.identity()).await.unwrap();
    let config = service_runtime::server::Config {
        tls,
        ..on_a_free_port()
    };
    let bound = config.bind_with(identity).unwrap();
    let identity = bound.tls().unwrap().clone();
    let layered = subject::bind(on_a_free_port()).1;
    (bound.serve(layered), identity)
}

#[tokio::test]
async fn what_the_workload_api_replaces_is_used_by_the_next_connection() {
    let (old, new) = (Authority::spiffe("old"), Authority::spiffe("new"));
    let (first, second) = (svid(&old), svid(&new));
    let agent = Agent::start(&first, &old);
    let (server, identity) = start(agent.tls(Mode::Mtls)).await;
    let address = server.local_address();
    let (old_client, new_client) = (old.client(Validity::Current), new.client(Validity::Current));
    let mut living = connect(address, trusting(&old, Some(&old_client))).await;

    // Its authority changes as well, and with it whose clients are let in.
    agent.rotate(&second, &new);
    let mut waiting = identity.clone();
    soon("the new identity", waiting.changed()).await;
    let config = Arc::new(trusting(&new, Some(&new_client)));
    assert_eq!(certificate_of(address, config.clone()).await, *second.der());
    connect(address, config).await;
    let (_, error) = refused(address, trusting(&new, Some(&old_client)), SERVER).await;
    assert!(error.contains("UnknownCA"), "{error}");
    living
        .check(asking(""))
        .await
        .expect("a connection must outlive the identity that it was made with");
}

#[tokio::test]
async fn a_key_of_another_certificate_keeps_the_old_identity() {
    let authority = Authority::spiffe("a");
    let (first, second) = (svid(&authority), svid(&authority));
    let agent = Agent::start(&first, &authority);
    let (server, identity) = start(agent.tls(Mode::Tls)).await;
    let mismatched = Identity {
        certificate: second.certificate.clone(),
        key: first.key.clone(),
    };
    agent.rotate(&mismatched, &authority);
    soon("the refusal", async {
        while identity.status().rejected.is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let client = Arc::new(trusting(&authority, None));
    let seen = certificate_of(server.local_address(), client.clone()).await;
    assert_eq!(seen, *first.der());

    agent.rotate(&second, &authority);
    soon("the new identity", async {
        while certificate_of(server.local_address(), client.clone()).await != *second.der() {}
    })
    .await;
    assert_eq!(identity.status().rejected, None);
}

#[tokio::test]
async fn an_identity_that_has_to_be_waited_for_is_not_read_from_files() {
    let tls = Config {
        mode: Mode::Tls,
        source: IdentitySource::Spiffe,
        spiffe_endpoint: "nonsense".to_owned(),
        ..Config::default()
    };
    assert!(matches!(tls.load(), Err(LoadError::NotFiles)));
    let refused = soon("the refusal", tls.identity()).await;
    assert!(matches!(refused, Err(LoadError::Workload(_))));
}

#[tokio::test]
async fn a_client_of_the_workload_api_follows_it_and_drops_no_connection() {
    let (old, new) = (Authority::spiffe("old"), Authority::spiffe("new"));
    let (first, second) = (svid(&old), svid(&new));
    let servers = Agent::start(&first, &old);
    let clients = Agent::start(&old.issue_svid("client.test", CLIENT), &old);
    let (server, server_identity) = start(servers.tls(Mode::Mtls)).await;
    let address = server.local_address();
    let client = clients.client();
    let identity = soon("the first identity", client.identity())
        .await
        .unwrap()
        .unwrap();
    let mut living = connect(address, identity.current().as_ref().clone()).await;
    living.check(asking("")).await.unwrap();

    // Both sides change their authority; what the client trusted before is not what it trusts now.
    let (mut client_changed, mut server_changed) = (identity.clone(), server_identity.clone());
    servers.rotate(&second, &new);
    clients.rotate(&new.issue_svid("client.test", CLIENT), &new);
    soon("the server's new identity", server_changed.changed()).await;
    soon("the client's new identity", client_changed.changed()).await;
    let seen = certificate_of(address, identity.current()).await;
    assert_eq!(seen, *second.der());
    let mut newer = connect(address, identity.current().as_ref().clone()).await;
    newer.check(asking("")).await.unwrap();
    let call = living.check(asking("")).await;
    call.expect("a connection must outlive the identity that it was made with");
}

#[tokio::test]
async fn what_a_client_cannot_use_keeps_its_old_identity() {
    let authority = Authority::spiffe("a");
    let (first, second) = (svid(&authority), svid(&authority));
    let agent = Agent::start(&first, &authority);
    let client = agent.client();
    let identity = soon("the first identity", client.identity())
        .await
        .unwrap()
        .unwrap();
    let before = identity.current();
    agent.rotate(
        &Identity {
            certificate: second.certificate.clone(),
            key: first.key.clone(),
        },
        &authority,
    );
    soon("the refusal", async {
        while identity.status().rejected.is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(Arc::ptr_eq(&before, &identity.current()));
    agent.rotate(&second, &authority);
    let mut waiting = identity.clone();
    soon("the new identity", waiting.changed()).await;
    assert_eq!(identity.status().rejected, None);
}

#[tokio::test]
async fn an_authority_vouches_for_its_own_trust_domain_only() {
    let authority = Authority::spiffe("a");
    let agent = Agent::start(&svid(&authority), &authority);
    let (server, _identity) = start(agent.tls(Mode::Mtls)).await;
    let address = server.local_address();
    let own = authority.issue_svid("client.test", CLIENT);
    connect(address, trusting(&authority, Some(&own))).await;
    let other = authority.issue_svid("client.test", "spiffe://cluster.other/ns/here/sa/client");
    let nobody = authority.issue("client.test", None, Validity::Current);
    for stranger in [other, nobody] {
        refused(address, trusting(&authority, Some(&stranger)), SERVER).await;
    }
}
