//! A server in this process, on free ports, with a database of its own.

use std::net::SocketAddr;
use std::time::Duration;

use service_runtime::drain::Outcome;
use service_runtime::settings::CredentialUrl;
use service_runtime::stop::{self, Cause, Stopper};
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use user_api::v1;
use user_api::v1::user_service_client::UserServiceClient;
use user_server::Server;
use user_server::settings::Settings;

/// The bound of every wait: far more than anything here needs.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A server that runs, and the handle that stops it.
pub(crate) struct Running {
    pub(crate) grpc: SocketAddr,
    pub(crate) ops: SocketAddr,
    pub(crate) web: Option<SocketAddr>,
    pub(crate) stopper: Stopper,
    pub(crate) task: JoinHandle<Outcome>,
}

/// Settings for free ports, and for a drain that nobody has to notice.
pub(crate) fn settings(url: &str) -> Settings {
    let mut settings = Settings::default();
    settings.server.address = ([127, 0, 0, 1], 0).into();
    settings.ops.address = ([127, 0, 0, 1], 0).into();
    settings.drain.notice = Duration::ZERO;
    "replica-1".clone_into(&mut settings.instance.name);
    settings.store.url = CredentialUrl::parse(url).unwrap();
    settings
}

/// A database that replicas share, and what keeps it there.
pub(crate) struct Shared {
    pub(crate) url: String,
    _folder: Option<tempfile::TempDir>,
}

/// A new file of SQLite.
pub(crate) fn sqlite() -> Shared {
    let folder = tempfile::tempdir().unwrap();
    Shared {
        url: format!("sqlite://{}", folder.path().join("x.sqlite").display()),
        _folder: Some(folder),
    }
}

/// One new database of each kind; PostgreSQL only where it is installed.
pub(crate) async fn databases() -> Vec<Shared> {
    let mut databases = vec![sqlite()];
    if let Some(url) = crate::postgres::database().await {
        databases.push(Shared { url, _folder: None });
    }
    databases
}

/// Waits for something that must happen, with a bound.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future)
        .await
        .unwrap_or_else(|_| panic!("{what} must happen"))
}

pub(crate) async fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

pub(crate) fn draft(display_name: &str, email: &str) -> v1::User {
    v1::User {
        display_name: display_name.to_owned(),
        email: email.to_owned(),
        ..v1::User::default()
    }
}

pub(crate) fn creation(display_name: &str, email: &str) -> v1::CreateUserRequest {
    v1::CreateUserRequest {
        user: Some(draft(display_name, email)),
        request_id: String::new(),
    }
}

// === impl Running ===

impl Running {
    pub(crate) async fn start(settings: Settings) -> Self {
        let server = Server::build(settings).await.unwrap();
        let (stopper, stop) = stop::channel();
        Self {
            grpc: server.grpc_address(),
            ops: server.ops_address(),
            web: server.web_address(),
            stopper,
            task: tokio::spawn(server.serve(stop)),
        }
    }

    pub(crate) async fn in_memory() -> Self {
        Self::start(settings("sqlite::memory:")).await
    }

    pub(crate) async fn client(&self) -> UserServiceClient<Channel> {
        UserServiceClient::new(channel(self.grpc).await)
    }

    pub(crate) async fn stop(self) -> Outcome {
        self.stopper.stop(Cause::Caller);
        soon("the end of the server", self.task).await.unwrap()
    }
}
