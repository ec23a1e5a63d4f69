//! A DNS server on loopback, over UDP and TCP, whose answer a test changes at run time.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::op::{Header, HeaderCounts, Metadata, ResponseCode};
use hickory_proto::rr::rdata::SRV;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_server::net::runtime::Time;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio::net::{TcpListener, UdpSocket};

/// What a name gives.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Addresses { ips: Vec<IpAddr>, ttl: u32 },
    NxDomain,
    Empty,
    ServFail,
    Silence,
}

/// One SRV record, and the address of its target.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) priority: u16,
    pub(crate) weight: u16,
    pub(crate) target: &'static str,
    /// Where the target listens; without it the target has no address.
    pub(crate) address: Option<SocketAddr>,
    /// Whether the address is sent along with the record.
    pub(crate) glue: bool,
}

/// A server that lives as long as this value.
pub(crate) struct Server {
    address: SocketAddr,
    zone: Arc<Zone>,
    _serving: hickory_server::Server<Handler>,
}

/// The one name that is asked for, and who asked.
struct Zone {
    answer: Mutex<Answer>,
    services: Mutex<Vec<Service>>,
    /// What questions of one kind get instead, as from some middleboxes.
    exception: Mutex<Option<(RecordType, Answer)>>,
    queries: AtomicUsize,
    tcp_queries: AtomicUsize,
}

struct Handler(Arc<Zone>);

// === impl Answer ===

impl Answer {
    /// Addresses that may be believed for 1 s.
    pub(crate) fn addresses(ips: impl IntoIterator<Item = IpAddr>) -> Self {
        Self::Addresses {
            ips: ips.into_iter().collect(),
            ttl: 1,
        }
    }
}

// === impl Service ===

impl Service {
    /// A target that listens there.
    pub(crate) fn at(target: &'static str, address: SocketAddr) -> Self {
        Self {
            priority: 0,
            weight: 1,
            target,
            address: Some(address),
            glue: false,
        }
    }

    fn target(&self) -> Name {
        self.target.parse().expect("a target is a name")
    }

    fn record(&self, name: &Name) -> Record {
        let port = self.address.map_or(1, |address| address.port());
        let srv = SRV::new(self.priority, self.weight, port, self.target());
        Record::from_rdata(name.clone(), 1, RData::SRV(srv))
    }

    fn glue(&self) -> Option<Record> {
        match self.address.filter(|_| self.glue)?.ip() {
            IpAddr::V4(ip) => Some(Record::from_rdata(self.target(), 1, RData::A(ip.into()))),
            IpAddr::V6(_) => None,
        }
    }
}

// === impl Server ===

impl Server {
    /// One that answers NXDOMAIN until told otherwise.
    pub(crate) async fn start() -> Self {
        let zone = Arc::new(Zone {
            answer: Mutex::new(Answer::NxDomain),
            services: Mutex::default(),
            exception: Mutex::default(),
            queries: AtomicUsize::new(0),
            tcp_queries: AtomicUsize::new(0),
        });
        let mut server = hickory_server::Server::new(Handler(zone.clone()));
        let (udp, tcp) = sockets().await;
        let address = udp.local_addr().expect("a bound socket has an address");
        server.register_socket(udp);
        server.register_listener(tcp, Duration::from_secs(5), 4 << 10);
        Self {
            address,
            zone,
            _serving: server,
        }
    }

    pub(crate) fn answer(&self, answer: Answer) {
        *self.zone.answer.lock().unwrap() = answer;
    }

    /// Answers questions for SRV records, and for the addresses of their targets.
    pub(crate) fn serve(&self, services: impl IntoIterator<Item = Service>) {
        *self.zone.services.lock().unwrap() = services.into_iter().collect();
    }

    /// A target that asks this server for SRV records.
    pub(crate) fn srv_target(&self, name: &str) -> String {
        format!("dns+srv://{}/{name}", self.address)
    }

    /// Answers questions of one kind in a way of their own.
    pub(crate) fn except(&self, exception: impl Into<Option<(RecordType, Answer)>>) {
        *self.zone.exception.lock().unwrap() = exception.into();
    }

    /// A target that asks this server.
    pub(crate) fn target(&self, name: &str, port: u16) -> String {
        format!("dns://{}/{name}:{port}", self.address)
    }

    /// Where it listens.
    #[cfg(feature = "kubernetes")]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often IPv4 addresses were asked for.
    pub(crate) fn queries(&self) -> usize {
        self.zone.queries.load(Ordering::SeqCst)
    }

    /// How many of these came over TCP.
    pub(crate) fn tcp_queries(&self) -> usize {
        self.zone.tcp_queries.load(Ordering::SeqCst)
    }
}

/// The same port for UDP and TCP.
async fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let udp = udp.expect("some port is free");
        let address = udp.local_addr().expect("a bound socket has an address");
        if let Ok(tcp) = TcpListener::bind(address).await {
            return (udp, tcp);
        }
    }
}

// === impl Handler ===

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response: R,
    ) -> ResponseInfo {
        let query = request.request_info().expect("one question").query;
        let kind = query.query_type();
        if kind == RecordType::A {
            self.0.queries.fetch_add(1, Ordering::SeqCst);
            if request.protocol() == Protocol::Tcp {
                self.0.tcp_queries.fetch_add(1, Ordering::SeqCst);
            }
        }
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.authoritative = true;
        let none = ResponseInfo::from(Header {
            metadata,
            counts: HeaderCounts::default(),
        });
        let exception = self.0.exception.lock().unwrap().clone();
        let answer = match exception.filter(|(exempt, _)| *exempt == kind) {
            Some((_, answer)) => answer,
            None => self.0.answer.lock().unwrap().clone(),
        };
        let mut records = Vec::new();
        let mut additional = Vec::new();
        let services = self.0.services.lock().unwrap().clone();
        let name: Name = query.name().into();
        let mut targets = services.iter().filter(|service| service.target().eq(&name));
        let answer = match targets.next().map(|service| service.address) {
            Some(Some(address)) => Answer::addresses([address.ip()]),
            Some(None) => Answer::Empty,
            None => answer,
        };
        match answer {
            Answer::Silence => return none,
            _ if kind == RecordType::SRV => {
                records.extend(services.iter().map(|service| service.record(&name)));
                additional.extend(services.iter().filter_map(Service::glue));
            }
            Answer::NxDomain => metadata.response_code = ResponseCode::NXDomain,
            Answer::ServFail => metadata.response_code = ResponseCode::ServFail,
            Answer::Empty => {}
            Answer::Addresses { ips, ttl } => {
                let data = ips.into_iter().filter_map(|ip| match ip {
                    IpAddr::V4(ip) if kind == RecordType::A => Some(RData::A(ip.into())),
                    IpAddr::V6(ip) if kind == RecordType::AAAA => Some(RData::AAAA(ip.into())),
                    _ => None,
                });
                let record = |data| Record::from_rdata(name.clone(), ttl, data);
                records = data.map(record).collect();
            }
        }
        let mut builder = MessageResponseBuilder::from_message_request(request);
        if let Some(edns) = &request.edns {
            builder.edns(edns);
        }
        let message = builder.build(metadata, &records, [], [], &additional);
        let sent = response.send_response(message).await;
        sent.expect("an answer can be sent")
    }
}
