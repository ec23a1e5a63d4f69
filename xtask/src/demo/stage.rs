//! The replicas and the name server, kept in step: the part that Kubernetes plays in a cluster.
//!
//! A replica's address is in the DNS answer while the replica is ready, and leaves it at once when
//! the replica is asked to stop, or a moment after it was lost.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tempfile::TempDir;
use user_client::connect::{Channel, State, connect};
use user_client::settings::Settings;

use super::dns::NameServer;
use super::error::Error;
use super::replicas::{ADDRESSES, Replica, free};

/// The name of the headless Service, absolute, as a client in namespace `demo` would have it.
const NAME: &str = "user-server-headless.demo.svc.cluster.local.";

/// How long a cluster takes to see that a killed container is no longer ready.
const NOTICING: Duration = Duration::from_millis(500);

/// How long the client may take to connect to what DNS says; the TTL is one second.
const CONNECT_BOUND: Duration = Duration::from_secs(30);

/// How often the client's connections are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Three replicas and the name server that knows them.
pub(crate) struct Stage {
    replicas: [Replica; 3],
    ready: [bool; 3],
    name_server: NameServer,
    port: u16,
    directory: TempDir,
}

// === impl Stage ===

impl Stage {
    /// Prepares everything but the replicas' processes: their addresses are free, and the name
    /// server answers.
    pub(crate) async fn new(port: u16) -> Result<Self, Error> {
        for address in ADDRESSES {
            free((address, port).into())?;
        }
        let directory = tempfile::Builder::new()
            .prefix("cargo-demo-")
            .tempdir()
            .map_err(Error::Directory)?;
        let name_server = NameServer::start(NAME).await.map_err(Error::Dns)?;
        let replica = |ip| Replica::new(SocketAddr::new(IpAddr::V4(ip), port), directory.path());
        Ok(Self {
            replicas: ADDRESSES.map(replica),
            ready: [false; 3],
            name_server,
            port,
            directory,
        })
    }

    /// Starts all replicas and waits until they are ready.
    pub(crate) async fn start_all(&mut self) -> Result<(), Error> {
        for replica in &mut self.replicas {
            replica.start()?;
        }
        for (replica, ready) in self.replicas.iter_mut().zip(&mut self.ready) {
            replica.ready().await?;
            *ready = true;
        }
        self.publish().await;
        Ok(())
    }

    /// Kills a replica with SIGKILL; the name server notices a moment later.
    pub(crate) async fn kill(&mut self, index: usize) -> Result<(), Error> {
        self.replicas[index].kill().await?;
        tokio::time::sleep(NOTICING).await;
        self.withdraw(index).await;
        Ok(())
    }

    /// Sends SIGTERM to a replica, which leaves the name at once, and waits for its end.
    pub(crate) async fn terminate(&mut self, index: usize) -> Result<(), Error> {
        self.replicas[index].terminate()?;
        self.withdraw(index).await;
        self.replicas[index].stopped().await
    }

    /// Starts a replica again; once it is ready, its address comes back.
    pub(crate) async fn restart(&mut self, index: usize) -> Result<(), Error> {
        self.replicas[index].start()?;
        self.replicas[index].ready().await?;
        self.ready[index] = true;
        self.publish().await;
        Ok(())
    }

    /// Where a replica listens.
    pub(crate) const fn address(&self, index: usize) -> SocketAddr {
        self.replicas[index].address()
    }

    /// A channel to one address only, as a client behind a ClusterIP has it.
    pub(crate) async fn to_one_address(&self) -> Result<Channel, Error> {
        channel(format!("ipv4:{}", self.address(0))).await
    }

    /// The target of the headless name.
    pub(crate) fn headless_target(&self) -> String {
        self.name_server.target(self.port)
    }

    /// A channel to every replica behind the headless name.
    pub(crate) async fn to_headless_name(&self) -> Result<Channel, Error> {
        channel(self.headless_target()).await
    }

    /// Waits until the channel is connected to all replicas and to nothing else: an even spread can
    /// be promised for a stable set only.
    pub(crate) async fn connected(&self, channel: &Channel) -> Result<(), Error> {
        let expected = self.replicas.len();
        let settled = async {
            while !is_ready(channel, expected) {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        };
        tokio::time::timeout(CONNECT_BOUND, settled)
            .await
            .map_err(|_elapsed| Error::NotConnected {
                expected,
                after: CONNECT_BOUND,
                seen: describe(channel),
            })
    }

    /// Stops every replica that runs and removes the directory. What does not stop is killed.
    pub(crate) async fn clear(mut self) {
        for replica in &mut self.replicas {
            // The database is thrown away, so nothing is worth a drain.
            let _gone_already = replica.kill().await;
        }
        // What is left is in the system's directory for temporary files.
        let _left_behind = self.directory.close();
    }

    async fn withdraw(&mut self, index: usize) {
        self.ready[index] = false;
        self.publish().await;
    }

    async fn publish(&self) {
        let ready = ADDRESSES
            .iter()
            .zip(self.ready)
            .filter_map(|(address, ready)| ready.then_some(*address));
        self.name_server.publish(ready).await;
    }
}

/// The client's own channel, with its own defaults.
async fn channel(target: String) -> Result<Channel, Error> {
    let settings = Settings {
        target,
        ..Settings::default()
    };
    connect(&settings).await.map_err(Error::Channel)
}

fn is_ready(channel: &Channel, expected: usize) -> bool {
    let stats = channel.stats();
    stats.subchannels.len() == expected
        && stats.subchannels.iter().all(|it| it.state == State::Ready)
}

fn describe(channel: &Channel) -> String {
    let stats = channel.stats();
    let lines: Vec<String> = stats
        .subchannels
        .iter()
        .map(|it| format!("  {} {}", it.address, it.state))
        .chain(stats.resolve_error.map(|error| format!("  {error}")))
        .collect();
    lines.join("\n")
}
