//! What DNS says, and what becomes of the calls when it changes its mind.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use grpc_channel::{Builder, Channel};
use hickory_proto::rr::RecordType;

use crate::dns::{Answer, Server};
use crate::echo::{Client, Method};
use crate::load::{Load, burst};
use crate::loss::BACKOFF;
use crate::replica::{PORT, Replica, builder, ready, replicas, unused_address};
use crate::{bounded, wait_until};

const NAME: &str = "echo-headless.test.";

/// A channel's builder to a name that is asked for often.
fn to_name(dns: &Server) -> Builder {
    let (min, max) = (Duration::from_millis(50), Duration::from_millis(100));
    builder(dns.target(NAME, PORT))
        .dns_interval(min, max)
        .dns_timeout(Duration::from_millis(500))
        .backoff(BACKOFF)
}

fn ip(replica: &Replica) -> IpAddr {
    replica.address.ip()
}

fn resolve_error(channel: &Channel) -> Option<String> {
    channel.stats().resolve_error.map(|error| error.to_string())
}

async fn addresses(channel: &Channel, count: usize) {
    wait_until(format!("there are {count} addresses"), || {
        channel.stats().subchannels.len() == count
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_added_gets_its_share_though_nothing_broke() {
    bounded(async {
        let replicas = replicas::<3>().await;
        let dns = Server::start().await;
        dns.answer(Answer::addresses(replicas[..2].iter().map(ip)));
        let channel = to_name(&dns).connect().unwrap();
        let load = Load::start(&channel, Method::Add, 4);
        load.answers(50).await;
        dns.answer(Answer::addresses(replicas.iter().map(ip)));
        ready(&channel, 3).await;
        let tally = load.stop().await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        let tally = burst(&channel, Method::Add, 3, 300).await;
        let shares: Vec<u64> = tally.answered.into_values().collect();
        assert_eq!(shares, [100, 100, 100]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_removed_finishes_its_call_and_gets_no_other() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let dns = Server::start().await;
        dns.answer(Answer::addresses(replicas.iter().map(ip)));
        let channel = to_name(&dns).connect().unwrap();
        ready(&channel, 2).await;
        replicas[0].hold();
        let load = Load::start(&channel, Method::Add, 1);
        wait_until("a call is in flight", || replicas[0].running() == 1).await;

        dns.answer(Answer::addresses([ip(&replicas[1])]));
        addresses(&channel, 1).await;
        let tally = burst(&channel, Method::Add, 2, 100).await;
        assert_eq!(tally.answered[&replicas[1].name], 100);
        assert_eq!(replicas[0].running(), 1, "the call in flight goes on");

        replicas[0].release();
        let tally = load.stop().await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        assert_eq!(tally.answered[&replicas[0].name], 1);
        replicas[0].closed().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_gives_nothing_keeps_the_addresses_that_were_known() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let dns = Server::start().await;
        let good = Answer::addresses(replicas.iter().map(ip));
        dns.answer(good.clone());
        let channel = to_name(&dns).connect().unwrap();
        ready(&channel, 2).await;
        for (answer, words) in [
            (Answer::NxDomain, "does not exist (NXDOMAIN)"),
            (Answer::Empty, "has no addresses"),
            (Answer::ServFail, "could not be resolved"),
            (Answer::Silence, "no DNS server answered"),
        ] {
            dns.answer(answer);
            wait_until(format!("the statistics say that the name {words}"), || {
                resolve_error(&channel).is_some_and(|error| error.contains(words))
            })
            .await;
            let tally = burst(&channel, Method::Add, 2, 100).await;
            let shares: Vec<u64> = tally.answered.into_values().collect();
            assert_eq!(shares, [50, 50], "{words}: the addresses are kept");
            dns.answer(good.clone());
            wait_until("the name is resolved again", || {
                resolve_error(&channel).is_none()
            })
            .await;
        }
        for replica in &replicas {
            assert_eq!(replica.accepted_connections(), 1, "and the connections");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subchannel_that_breaks_asks_dns_at_once() {
    bounded(async {
        let mut replicas = replicas::<2>().await;
        let dns = Server::start().await;
        let answer = |replica: &Replica| Answer::Addresses {
            ips: vec![ip(replica)],
            ttl: 3_600,
        };
        dns.answer(answer(&replicas[0]));
        let (min, max) = (Duration::from_millis(50), Duration::from_hours(1));
        let channel = to_name(&dns).dns_interval(min, max).connect().unwrap();
        ready(&channel, 1).await;
        dns.answer(answer(&replicas[1]));
        replicas[0].kill().await;
        let client = Client::new(&channel);
        wait_until("the other address is known", || {
            channel.stats().subchannels[0].address == replicas[1].address.into()
        })
        .await;
        client.call(Method::Add).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_addresses_do_not_fit_into_udp_and_come_all_the_same() {
    bounded(async {
        let replicas = replicas::<1>().await;
        let dns = Server::start().await;
        let nobody = (0..299).map(|_| unused_address().ip());
        let all: Vec<IpAddr> = nobody.chain([ip(&replicas[0])]).collect();
        dns.answer(Answer::addresses(all));
        let channel = builder(dns.target(NAME, PORT)).connect().unwrap();
        addresses(&channel, 300).await;
        assert!(dns.tcp_queries() > 0, "the answer was asked for over TCP");
        assert!(dns.queries() > dns.tcp_queries(), "and over UDP before");
        Client::new(&channel).call(Method::Add).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_server_that_ignores_ipv6_does_not_hide_the_ipv4_addresses() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let dns = Server::start().await;
        dns.except((RecordType::AAAA, Answer::Silence));
        dns.answer(Answer::addresses(replicas.iter().map(ip)));
        let channel = to_name(&dns).connect().unwrap();
        ready(&channel, 2).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_family_of_addresses_that_cannot_be_asked_for_keeps_those_that_were_known() {
    /// Nobody need listen there.
    const IPV6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
    bounded(async {
        let replicas = replicas::<2>().await;
        let [one, other] = [ip(&replicas[0]), ip(&replicas[1])];
        let known = |ips: &[IpAddr]| {
            let mut known: Vec<SocketAddr> = ips.iter().map(|ip| (*ip, PORT).into()).collect();
            known.sort();
            known
        };
        for failure in [Answer::ServFail, Answer::Silence] {
            let dns = Server::start().await;
            dns.answer(Answer::addresses([one, IPV6]));
            let channel = to_name(&dns).connect().unwrap();
            let addresses = async |expected: &[IpAddr]| {
                let expected = known(expected);
                wait_until(format!("{failure:?} leaves {expected:?}"), || {
                    let stats = channel.stats();
                    let addresses = stats.subchannels.iter().map(|s| s.address.clone());
                    addresses.eq(expected
                        .iter()
                        .copied()
                        .map(grpc_channel::resolver::Address::from))
                })
                .await;
            };
            addresses(&[one, IPV6]).await;
            // The change of the other family shows that the answer without this one was heeded.
            dns.except((RecordType::AAAA, failure.clone()));
            dns.answer(Answer::addresses([other, IPV6]));
            addresses(&[other, IPV6]).await;
            dns.except((RecordType::AAAA, Answer::Empty));
            addresses(&[other]).await;

            dns.except(None);
            addresses(&[other, IPV6]).await;
            dns.except((RecordType::A, failure.clone()));
            dns.answer(Answer::addresses([one, IPV6]));
            let before = dns.queries();
            wait_until("it was asked again", || dns.queries() > before + 2).await;
            let tally = burst(&channel, Method::Add, 2, 10).await;
            assert_eq!(tally.answered[&replicas[1].name], 10);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_authority_is_the_name_without_its_final_dot_and_never_an_address() {
    bounded(async {
        let replicas = replicas::<1>().await;
        let dns = Server::start().await;
        dns.answer(Answer::addresses([ip(&replicas[0])]));
        let channel = to_name(&dns).connect().unwrap();
        Client::new(&channel).call(Method::Read).await.unwrap();
        let seen = &replicas[0].seen()[0];
        assert_eq!(seen.scheme, "http", "there is no TLS");
        let authority = &seen.authority;
        assert_eq!(authority, &format!("echo-headless.test:{PORT}"));
    })
    .await;
}
