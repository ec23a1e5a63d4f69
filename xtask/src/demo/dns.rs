//! A real name server on loopback: what `CoreDNS` is to a headless Service.
//!
//! It answers one name with the addresses of the replicas that are ready, and every other name with
//! NXDOMAIN; so does the name itself when no replica is ready, as in Kubernetes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_server::Server;
use hickory_server::proto::ProtoError;
use hickory_server::proto::rr::rdata::SOA;
use hickory_server::proto::rr::{Name, RData, Record, RecordSet, RecordType, RrKey};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneHandler, ZoneType};
use tokio::net::{TcpListener, UdpSocket};

/// Seconds for which an answer may be believed. `CoreDNS` has 5 by default.
const TTL: u32 = 1;

/// How long an idle TCP connection is kept, and how many answers may wait on it.
const TCP_IDLE: Duration = Duration::from_secs(10);
const TCP_ANSWERS: usize = 32;

/// TCP and UDP must get the same port; another process may take it in between.
const ATTEMPTS: usize = 16;

/// The demo speaks of one zone that never changes owner.
const SERIAL: u32 = 1;

/// Why the name server cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No port on loopback is free for both UDP and TCP.
    #[error("no port of 127.0.0.1 is free for both UDP and TCP")]
    Listen(#[source] io::Error),
    /// The name is no DNS name.
    #[error("the headless name is no DNS name")]
    Name(#[source] ProtoError),
}

/// A running name server; it ends when this is dropped.
pub(crate) struct NameServer {
    address: SocketAddr,
    name: Name,
    zone: Arc<InMemoryZoneHandler>,
    _server: Server<Catalog>,
}

// === impl NameServer ===

impl NameServer {
    /// Starts on a free port of loopback, with no address behind `name` yet.
    pub(crate) async fn start(name: &str) -> Result<Self, Error> {
        let name = Name::from_ascii(name).map_err(Error::Name)?;
        // The root zone: this server is the whole world, so what it does not know does not exist.
        let mut zone: InMemoryZoneHandler =
            InMemoryZoneHandler::empty(Name::root(), ZoneType::Primary, AxfrPolicy::Deny);
        let soa = SOA::new(Name::root(), Name::root(), SERIAL, 3600, 600, 86400, TTL);
        zone.upsert_mut(
            Record::from_rdata(Name::root(), TTL, RData::SOA(soa)),
            SERIAL,
        );
        let zone = Arc::new(zone);
        let mut catalog = Catalog::new();
        let handler: Arc<dyn ZoneHandler> = zone.clone();
        catalog.upsert(Name::root().into(), vec![handler]);

        let (udp, tcp, address) = sockets().await.map_err(Error::Listen)?;
        let mut server = Server::new(catalog);
        server.register_socket(udp);
        server.register_listener(tcp, TCP_IDLE, TCP_ANSWERS);
        Ok(Self {
            address,
            name,
            zone,
            _server: server,
        })
    }

    /// The client's target for `port` behind the name: `dns://server/name:port`.
    pub(crate) fn target(&self, port: u16) -> String {
        format!("dns://{}/{}:{port}", self.address, self.name)
    }

    /// Answers with these addresses from now on; with none, the name does not exist.
    pub(crate) async fn publish(&self, addresses: impl IntoIterator<Item = Ipv4Addr>) {
        let mut set = RecordSet::new(self.name.clone(), RecordType::A, SERIAL);
        for address in addresses {
            let record = Record::from_rdata(self.name.clone(), TTL, RData::A(address.into()));
            set.insert(record, SERIAL);
        }
        let key = RrKey::new(self.name.clone().into(), RecordType::A);
        let mut records = self.zone.records_mut().await;
        if set.is_empty() {
            records.remove(&key);
        } else {
            records.insert(key, Arc::new(set));
        }
    }
}

/// A UDP and a TCP socket on the same free port of loopback.
async fn sockets() -> io::Result<(UdpSocket, TcpListener, SocketAddr)> {
    let mut failure = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..ATTEMPTS {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = tcp.local_addr()?;
        match UdpSocket::bind(address).await {
            Ok(udp) => return Ok((udp, tcp, address)),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}
