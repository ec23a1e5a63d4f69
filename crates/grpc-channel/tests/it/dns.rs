//! A DNS server on loopback, over UDP and TCP, whose answer a test changes at run time.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::op::{Header, HeaderCounts, Metadata, ResponseCode};
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

/// A server that lives as long as this value.
pub(crate) struct Server {
    address: SocketAddr,
    zone: Arc<Zone>,
    _serving: hickory_server::Server<Handler>,
}

/// The one name that is asked for, and who asked.
struct Zone {
    answer: Mutex<Answer>,
    /// Whether a question for IPv6 addresses gets no answer, as from some middleboxes.
    silent_for_ipv6: AtomicBool,
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

// === impl Server ===

impl Server {
    /// One that answers NXDOMAIN until told otherwise.
    pub(crate) async fn start() -> Self {
        let zone = Arc::new(Zone {
            answer: Mutex::new(Answer::NxDomain),
            silent_for_ipv6: false.into(),
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

    /// Answers no question for IPv6 addresses any more.
    pub(crate) fn be_silent_for_ipv6(&self) {
        self.zone.silent_for_ipv6.store(true, Ordering::SeqCst);
    }

    /// A target that asks this server.
    pub(crate) fn target(&self, name: &str, port: u16) -> String {
        format!("dns://{}/{name}:{port}", self.address)
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
        if kind == RecordType::AAAA && self.0.silent_for_ipv6.load(Ordering::SeqCst) {
            return none;
        }
        let answer = self.0.answer.lock().unwrap().clone();
        let mut records = Vec::new();
        match answer {
            Answer::Silence => return none,
            Answer::NxDomain => metadata.response_code = ResponseCode::NXDomain,
            Answer::ServFail => metadata.response_code = ResponseCode::ServFail,
            Answer::Empty => {}
            Answer::Addresses { ips, ttl } => {
                let name: Name = query.name().into();
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
        let message = builder.build(metadata, &records, [], [], []);
        let sent = response.send_response(message).await;
        sent.expect("an answer can be sent")
    }
}
