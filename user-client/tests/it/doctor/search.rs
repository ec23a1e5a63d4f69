//! What search domains cost: what `doctor` says of it is what a resolver really asks for.

use hickory_resolver::Resolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::parse_resolv_conf;
use user_client::doctor::search::Search;

use super::{NAME, doctor, finding};
use crate::dns::Dns;

/// What a pod's `resolv.conf` says.
const POD: &str = "\
search team.svc.cluster.local svc.cluster.local cluster.local
nameserver 10.96.0.10
options ndots:5
";

/// Asks as a pod would, of a server that notes the names.
async fn asked(dns: &Dns, name: &str) -> Vec<String> {
    let (parsed, options) = parse_resolv_conf(POD).unwrap();
    let mut server = NameServerConfig::udp(dns.address.ip());
    for connection in &mut server.connections {
        connection.port = dns.address.port();
    }
    let search = parsed.search().to_vec();
    let config = ResolverConfig::from_parts(parsed.domain().cloned(), search, vec![server]);
    let provider = TokioRuntimeProvider::default();
    let builder = Resolver::builder_with_config(config, provider).with_options(options);
    let _found = builder.build().unwrap().lookup_ip(name).await;
    dns.asked()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_names_that_are_counted_are_those_that_are_asked_for() {
    let search = Search::parse(POD.as_bytes()).expect("it is a resolv.conf");
    for name in [
        "echo",
        "echo-headless.default",
        NAME.trim_end_matches('.'),
        NAME,
        "a.b.c.d.e.test",
    ] {
        let dns = Dns::start().await;
        assert_eq!(search.names(name), asked(&dns, name).await, "for {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_names_its_server_tries_no_search_domain() {
    let dns = Dns::start().await;
    dns.name(NAME, &["127.0.0.1".parse().unwrap()]);
    let (_code, report) = doctor(&[&dns.target(NAME.trim_end_matches('.'), 1)]).await;
    let found = finding(&report, "searchDomains");
    assert_eq!(found["outcome"], "passed", "{report:#}");
}
