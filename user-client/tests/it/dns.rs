//! A DNS server on loopback whose records a test chooses; a name without any does not exist.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{Header, HeaderCounts, Metadata, ResponseCode};
use hickory_server::proto::rr::rdata::PTR;
use hickory_server::proto::rr::{Name, RData, Record, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio::net::UdpSocket;

/// How long the answers may be believed, in seconds.
pub(crate) const TTL: u32 = 7;

/// A server that lives as long as this value.
pub(crate) struct Dns {
    pub(crate) address: SocketAddr,
    zone: Zone,
    _serving: hickory_server::Server<Zone>,
}

#[derive(Clone, Default)]
struct Zone {
    records: Arc<Mutex<HashMap<Name, Vec<RData>>>>,
    /// The names that were asked for by their IPv4 addresses.
    asked: Arc<Mutex<Vec<String>>>,
}

// === impl Dns ===

impl Dns {
    pub(crate) async fn start() -> Self {
        let zone = Zone::default();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let mut server = hickory_server::Server::new(zone.clone());
        server.register_socket(socket);
        Self {
            address,
            zone,
            _serving: server,
        }
    }

    /// Gives a name these addresses; none makes a name that exists and has no address.
    pub(crate) fn name(&self, name: &str, ips: &[IpAddr]) {
        let records = ips.iter().map(|ip| match ip {
            IpAddr::V4(ip) => RData::A((*ip).into()),
            IpAddr::V6(ip) => RData::AAAA((*ip).into()),
        });
        self.add(name.parse().unwrap(), records.collect());
    }

    /// Says whose address this is.
    pub(crate) fn reverse(&self, ip: IpAddr, name: &str) {
        let name = RData::PTR(PTR(name.parse().unwrap()));
        self.add(Name::from(ip), vec![name]);
    }

    /// A target that asks this server.
    pub(crate) fn target(&self, name: &str, port: u16) -> String {
        format!("dns://{}/{name}:{port}", self.address)
    }

    /// The names that were asked for, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.zone.asked.lock().unwrap().clone()
    }

    fn add(&self, name: Name, records: Vec<RData>) {
        self.zone.records.lock().unwrap().insert(name, records);
    }
}

// === impl Zone ===

#[async_trait::async_trait]
impl RequestHandler for Zone {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response: R,
    ) -> ResponseInfo {
        let query = request.request_info().unwrap().query;
        let name: Name = query.name().into();
        let kind = query.query_type();
        if kind == RecordType::A {
            self.asked.lock().unwrap().push(name.to_string());
        }
        let mut metadata = Metadata::response_from_request(&request.metadata);
        let known = self.records.lock().unwrap().get(&name).cloned();
        if known.is_none() {
            metadata.response_code = ResponseCode::NXDomain;
        }
        let records: Vec<Record> = known
            .into_iter()
            .flatten()
            .filter(|data| data.record_type() == kind)
            .map(|data| Record::from_rdata(name.clone(), TTL, data))
            .collect();
        let builder = MessageResponseBuilder::from_message_request(request);
        let message = builder.build(metadata, &records, [], [], []);
        let sent = response.send_response(message).await;
        sent.unwrap_or_else(|_| {
            ResponseInfo::from(Header {
                metadata,
                counts: HeaderCounts::default(),
            })
        })
    }
}
