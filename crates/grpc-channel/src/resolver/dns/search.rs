//! What `resolv.conf` and `/etc/hosts` make of a name, tried on a DNS server that notes the names.
//!
//! hickory does the work; these tests hold it, and the options that this crate sets, to what the
//! documentation of targets promises.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_resolver::config::ResolverConfig;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::parse_resolv_conf;
use hickory_resolver::{Resolver, TokioResolver};
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{Header, HeaderCounts, Metadata, ResponseCode};
use hickory_server::proto::rr::{Name, RData, Record, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio::net::UdpSocket;

use super::{Config, Hosts, addresses, name_server, tune};

/// What a pod's `resolv.conf` says.
const POD: &str = "\
search team.svc.cluster.local svc.cluster.local cluster.local
nameserver 10.96.0.10
options ndots:5
";

/// The only name that exists.
const EXISTS: &str = "echo.default.svc.cluster.local.";

/// Knows one name, and notes each that is asked for by its IPv4 addresses.
#[derive(Clone, Default)]
struct Zone(Arc<Mutex<Vec<String>>>);

/// Asks for a name as a pod would, and says which names the server was asked for.
async fn asked(resolv_conf: &str, host: &str) -> (usize, Vec<String>) {
    let zone = Zone::default();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    let mut server = hickory_server::Server::new(zone.clone());
    server.register_socket(socket);
    let resolver = resolver(resolv_conf, address);
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    let found = addresses(&resolver, host, 80, &mut Hosts::new(), until).await;
    let count = found.map_or(0, |(endpoints, _)| endpoints.len());
    let names = zone.0.lock().unwrap().clone();
    (count, names)
}

/// A resolver with this `resolv.conf`, except that its name server is at another address.
fn resolver(resolv_conf: &str, server: SocketAddr) -> TokioResolver {
    let (parsed, options) = parse_resolv_conf(resolv_conf).unwrap();
    let config = ResolverConfig::from_parts(
        parsed.domain().cloned(),
        parsed.search().to_vec(),
        vec![name_server(server)],
    );
    let provider = TokioRuntimeProvider::default();
    let mut builder = Resolver::builder_with_config(config, provider).with_options(options);
    let config = Config {
        timeout: Duration::from_secs(20),
        ..Config::default()
    };
    tune(builder.options_mut(), config);
    builder.build().unwrap()
}

#[tokio::test]
async fn an_absolute_name_costs_one_query() {
    let (found, asked) = asked(POD, EXISTS).await;
    assert_eq!((found, asked), (1, vec![EXISTS.to_owned()]));
}

#[tokio::test]
async fn a_relative_name_with_few_dots_is_tried_with_each_search_domain_in_order() {
    let (found, asked) = asked(POD, "echo.default").await;
    let expected = [
        "echo.default.team.svc.cluster.local.",
        "echo.default.svc.cluster.local.",
    ];
    assert_eq!(found, 1);
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn a_name_that_is_whole_without_its_final_dot_costs_the_search_domains() {
    let (found, asked) = asked(POD, EXISTS.trim_end_matches('.')).await;
    assert_eq!(found, 1);
    assert_eq!(asked.len(), 4, "three search domains before it: {asked:?}");
    assert_eq!(asked[3], EXISTS);
}

#[tokio::test]
async fn a_name_with_enough_dots_is_tried_as_it_is_first() {
    let few = POD.replace("ndots:5", "ndots:1");
    let (found, asked) = asked(&few, EXISTS.trim_end_matches('.')).await;
    assert_eq!((found, asked), (1, vec![EXISTS.to_owned()]));
}

#[tokio::test]
async fn a_name_of_the_hosts_file_is_not_asked_for() {
    let (found, asked) = asked(POD, "localhost").await;
    assert!(found > 0, "localhost is in every hosts file");
    assert!(asked.is_empty(), "{asked:?}");
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
            self.0.lock().unwrap().push(name.to_string());
        }
        let mut metadata = Metadata::response_from_request(&request.metadata);
        let mut records = Vec::new();
        if name.to_string() != EXISTS {
            metadata.response_code = ResponseCode::NXDomain;
        } else if kind == RecordType::A {
            let data = RData::A(Ipv4Addr::new(10, 0, 0, 1).into());
            records.push(Record::from_rdata(name, 5, data));
        }
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
