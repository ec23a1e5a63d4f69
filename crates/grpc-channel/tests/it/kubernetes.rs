//! The pods of a Service, as an API server tells about them.

mod api;

use std::collections::BTreeSet;
use std::time::Duration;

use grpc_channel::Channel;
use grpc_channel::resolver::EndpointSlices;
use serde_json::{Value, json};
use tonic::Code;

use self::api::Api;
use crate::dns::{Answer, Server};
use crate::echo::{Client, Method};
use crate::load::{Load, burst};
use crate::loss::BACKOFF;
use crate::raw::Listener;
use crate::replica::{PORT, Replica, builder, ready, replicas};
use crate::{bounded, wait_until};

fn channel(api: &Api) -> Channel {
    let slices = EndpointSlices::new(api.client(), "default", "echo", PORT);
    let builder = builder(format!("k8s:///echo.default:{PORT}")).backoff(BACKOFF);
    builder.connect_with(slices).unwrap()
}

/// A pod that takes calls.
fn pod(replica: &Replica) -> Value {
    json!({
        "addresses": [replica.address.ip().to_string()],
        "conditions": {"ready": true, "serving": true, "terminating": false},
        "zone": "zone-a",
    })
}

/// A pod that is about to go.
fn terminating(replica: &Replica) -> Value {
    json!({
        "addresses": [replica.address.ip().to_string()],
        "conditions": {"ready": false, "serving": true, "terminating": true},
    })
}

async fn addresses<'a>(channel: &Channel, replicas: impl IntoIterator<Item = &'a Replica>) {
    let expected: BTreeSet<_> = replicas.into_iter().map(|one| one.address.into()).collect();
    wait_until(format!("the addresses are {expected:?}"), || {
        let subchannels = channel.stats().subchannels;
        let known: BTreeSet<_> = subchannels.into_iter().map(|one| one.address).collect();
        known == expected
    })
    .await;
}

fn resolve_error(channel: &Channel) -> String {
    let Some(error) = channel.stats().resolve_error else {
        return String::new();
    };
    let mut said = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        said = format!("{said}: {inner}");
        source = inner.source();
    }
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_come_and_go_over_several_slices_and_no_call_fails() {
    bounded(async {
        let replicas = replicas::<3>().await;
        let [a, b, c] = &replicas;
        let api = Api::start().await;
        // One pod stands in both slices, as while it moves.
        api.apply("echo-1", &json!([pod(a)]));
        api.apply("echo-2", &json!([pod(a), pod(b)]));
        let channel = channel(&api);
        ready(&channel, 2).await;
        let load = Load::start(&channel, Method::Add, 4);
        load.answers(50).await;

        api.apply("echo-1", &json!([pod(a), pod(c)]));
        addresses(&channel, [a, b, c]).await;
        load.answers(50).await;
        api.apply("echo-2", &json!([terminating(b)]));
        addresses(&channel, [a, c]).await;
        load.answers(50).await;
        api.delete("echo-2");
        api.apply("echo-3", &json!([pod(b)]));
        addresses(&channel, [a, b, c]).await;
        ready(&channel, 3).await;
        let tally = load.stop().await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        let tally = burst(&channel, Method::Add, 3, 300).await;
        let shares: Vec<u64> = tally.answered.into_values().collect();
        assert_eq!(shares, [100; 3]);
        let authority = &a.seen()[0].authority;
        assert_eq!(authority, &format!("echo.default.svc:{PORT}"));
        assert!(channel.stats().resolved_age.is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_can_be_named() {
    bounded(async {
        let replicas = replicas::<1>().await;
        let api = Api::start().await;
        api.apply("echo-1", &json!([pod(&replicas[0])]));
        let slices = EndpointSlices::named_port(api.client(), "default", "echo", "grpc");
        let builder = builder("k8s:///echo.default:grpc");
        let channel = builder.connect_with(slices).unwrap();
        Client::new(&channel).call(Method::Add).await.unwrap();
        assert_eq!(replicas[0].seen()[0].authority, "echo.default.svc");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_is_lost_begins_anew_and_sees_what_happened_meanwhile() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let [a, b] = &replicas;
        let api = Api::start().await;
        api.apply("echo-1", &json!([pod(a)]));
        let channel = channel(&api);
        ready(&channel, 1).await;
        wait_until("there is a watch", || api.watches() == 1).await;
        let load = Load::start(&channel, Method::Add, 2);

        // Its version is too old, and the API server is in trouble.
        api.fault(Some(500));
        api.cut_watches();
        wait_until("the trouble is told", || {
            resolve_error(&channel).contains("InternalError")
        })
        .await;
        load.answers(50).await;
        api.apply("echo-1", &json!([pod(a), pod(b)]));
        api.fault(None);
        addresses(&channel, [a, b]).await;
        assert_eq!(resolve_error(&channel), "", "all is well again");
        let tally = load.stop().await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_list_right_after_an_error_removes_nothing() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let [a, b] = &replicas;
        let api = Api::start().await;
        api.apply("echo-1", &json!([pod(a)]));
        api.apply("echo-2", &json!([pod(b)]));
        let channel = channel(&api);
        ready(&channel, 2).await;
        wait_until("there is a watch", || api.watches() == 1).await;
        let before = api.lists();
        api.list_nothing(1);
        api.cut_watches();
        wait_until("it is listed twice", || api.lists() == before + 2).await;
        wait_until("there is a watch again", || api.watches() > 1).await;
        // Had the empty list been believed, this would be the only slice.
        api.apply("echo-1", &json!([pod(a)]));
        let tally = burst(&channel, Method::Add, 2, 100).await;
        let shares: Vec<u64> = tally.answered.into_values().collect();
        assert_eq!(shares, [50, 50]);
        addresses(&channel, [a, b]).await;
        assert_eq!(a.accepted_connections() + b.accepted_connections(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_is_denied_falls_back_to_dns() {
    bounded(async {
        let api = Api::start().await;
        api.fault(Some(403));
        let channel = channel(&api);
        let status = Client::new(&channel).call(Method::Add).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        // The name is asked for; this machine is in no cluster, so nobody knows it.
        let said = status.message();
        assert!(said.contains("echo.default.svc"), "{said}");
        assert!(!said.contains("Forbidden"), "{said}");
        assert_eq!(api.watches(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dns_is_asked_as_the_builder_says_until_the_watch_is_permitted() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let [a, b] = &replicas;
        let (api, dns) = (Api::start().await, Server::start().await);
        api.fault(Some(403));
        api.apply("echo-1", &json!([pod(b)]));
        dns.answer(Answer::Silence);
        let often = Duration::from_millis(50);
        let slices = EndpointSlices::new(api.client(), "default", "echo", PORT)
            .dns_server(dns.address())
            .permission_interval(often);
        let channel = builder(format!("k8s:///echo.default:{PORT}"))
            .dns_timeout(Duration::from_millis(300))
            .dns_interval(often, often)
            .backoff(BACKOFF)
            .connect_with(slices)
            .unwrap();
        let client = Client::new(&channel);
        let status = client.call(Method::Add).await.unwrap_err();
        let expected = "no DNS server answered for echo.default.svc within 300ms";
        let said = status.message();
        assert!(said.ends_with(expected), "{said}");
        dns.answer(Answer::addresses([a.address.ip()]));
        addresses(&channel, [a]).await;
        ready(&channel, 1).await;
        let load = Load::start(&channel, Method::Add, 2);
        load.answers(50).await;

        api.fault(None);
        addresses(&channel, [b]).await;
        wait_until("the pods are watched again", || api.watches() == 1).await;
        load.answers(50).await;
        let queries = dns.queries();
        for pods in [json!([pod(a), pod(b)]), json!([pod(b)]), json!([pod(a)])] {
            let count = pods.as_array().map_or(0, Vec::len);
            api.apply("echo-1", &pods);
            wait_until("the watch tells of the change", || {
                channel.stats().subchannels.len() == count
            })
            .await;
            load.answers(50).await;
        }
        addresses(&channel, [a]).await;
        assert_eq!(dns.queries(), queries, "DNS is not asked any more");
        let tally = load.stop().await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    })
    .await;
}

#[cfg(feature = "tls")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_server_speaks_https() {
    use crate::replica::unused_address;
    use crate::tls::certificates::{Authority, with_alpn};

    bounded(async {
        let replicas = replicas::<1>().await;
        let authority = Authority::new();
        let address = unused_address();
        let server = Authority::server(authority.issue(&address.ip().to_string()));
        let api = Api::start_secure(address, with_alpn(server, &["http/1.1"])).await;
        api.apply("echo-1", &json!([pod(&replicas[0])]));
        let mut config = kube::Config::new(format!("https://{address}").parse().unwrap());
        config.root_cert = Some(vec![authority.certificate().to_vec()]);
        let client = kube::Client::try_from(config).unwrap();
        let slices = EndpointSlices::new(client, "default", "echo", PORT);
        let builder = builder(format!("k8s:///echo.default:{PORT}"));
        let channel = builder.connect_with(slices).unwrap();
        Client::new(&channel).call(Method::Add).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_never_answers_is_told() {
    bounded(async {
        let silent = Listener::bind().await;
        let uri = format!("http://{}", silent.address).parse().unwrap();
        let client = kube::Client::try_from(kube::Config::new(uri)).unwrap();
        let slices = EndpointSlices::new(client, "default", "echo", PORT);
        let builder = builder(format!("k8s:///echo.default:{PORT}"));
        let channel = builder.connect_with(slices).unwrap();
        let _socket = silent.socket().await;
        let status = Client::new(&channel).call(Method::Add).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        let said = status.message();
        let expected = "the Kubernetes API did not answer within 10s";
        assert!(said.ends_with(expected), "{said}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permission_that_is_withdrawn_keeps_the_pods_that_are_known() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let api = Api::start().await;
        api.apply("echo-1", &json!([pod(&replicas[0]), pod(&replicas[1])]));
        let channel = channel(&api);
        ready(&channel, 2).await;
        wait_until("there is a watch", || api.watches() == 1).await;
        api.fault(Some(403));
        api.cut_watches();
        wait_until("DNS is asked", || {
            resolve_error(&channel).contains("echo.default.svc")
        })
        .await;
        let tally = burst(&channel, Method::Add, 2, 100).await;
        let shares: Vec<u64> = tally.answered.into_values().collect();
        assert_eq!(shares, [50, 50]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_without_pods_says_so() {
    bounded(async {
        let api = Api::start().await;
        api.apply("echo-1", &json!([]));
        let channel = channel(&api);
        let status = Client::new(&channel)
            .call_within(Method::Add, Duration::from_secs(20))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        let said = status.message();
        assert!(said.contains("has no addresses"), "{said}");
    })
    .await;
}
