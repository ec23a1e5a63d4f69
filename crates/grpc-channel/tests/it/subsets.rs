//! Targets with more addresses than a channel wants to connect to, at all or at once.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use grpc_channel::Channel;
use grpc_channel::resolver::{Address, Endpoint};

use crate::dns::{Answer, Server};
use crate::echo::Method;
use crate::load::burst;
use crate::policies::Given;
use crate::raw::Listener;
use crate::replica::{PORT, Replica, builder, ready, replicas};
use crate::{bounded, wait_until};

fn used(channel: &Channel) -> BTreeSet<IpAddr> {
    let subchannels = channel.stats().subchannels.into_iter();
    subchannels
        .filter_map(|subchannel| match subchannel.address {
            Address::Socket(address) => Some(address.ip()),
            _ => None,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subset_of_two_out_of_five_is_kept_while_it_is_there() {
    bounded(async {
        let replicas = replicas::<5>().await;
        let all: Vec<IpAddr> = replicas
            .iter()
            .map(|replica| replica.address.ip())
            .collect();
        let dns = Server::start().await;
        dns.answer(Answer::addresses(all.clone()));
        let (min, max) = (Duration::from_millis(20), Duration::from_millis(50));
        let builder = builder(dns.target("echo.test.", PORT)).dns_interval(min, max);
        let channel = builder.subset(2).connect().unwrap();
        ready(&channel, 2).await;
        let chosen = used(&channel);
        assert_eq!(chosen.len(), 2);
        let tally = burst(&channel, Method::Add, 4, 100).await;
        assert!(tally.answered.values().eq(&[50, 50]), "{tally:?}");
        let open = |replicas: &[Replica]| -> usize {
            replicas.iter().map(Replica::open_connections).sum()
        };
        assert_eq!(open(&replicas), 2);

        let other = all.iter().find(|ip| !chosen.contains(ip)).unwrap();
        dns.answer(Answer::addresses(
            all.iter().filter(|ip| *ip != other).copied(),
        ));
        let queries = dns.queries();
        wait_until("the new answer is known", || dns.queries() > queries + 2).await;
        assert_eq!(used(&channel), chosen, "one that was not used is gone");

        let gone = chosen.first().unwrap();
        dns.answer(Answer::addresses(
            all.iter().filter(|ip| *ip != gone).copied(),
        ));
        wait_until("another one takes its place", || {
            !used(&channel).contains(gone)
        })
        .await;
        let kept = chosen.last().unwrap();
        assert!(used(&channel).contains(kept), "the other one stays");
        ready(&channel, 2).await;
        for replica in &replicas {
            let most = usize::from(replica.address.ip() == *kept);
            assert!(most == 0 || replica.accepted_connections() == most);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_addresses_with_a_subset_of_twenty_are_twenty_subchannels() {
    bounded(async {
        let endpoints = (0..10_000u16).map(|n| {
            let [high, low] = n.to_be_bytes();
            // Nobody listens there.
            Endpoint::new(SocketAddr::from((Ipv4Addr::new(127, 9, high, low), 1)))
        });
        let endpoints: Vec<Endpoint> = endpoints.collect();
        let target = "dns:///echo.test:1";
        let few = builder(target).subset(20);
        let few = few.connect_with(Given(endpoints.clone())).unwrap();
        let all = builder(target).connect_with(Given(endpoints)).unwrap();
        wait_until("the subset is in use", || used(&few).len() == 20).await;
        wait_until("all are in use", || used(&all).len() == 10_000).await;
        assert_eq!(used(&few).len(), 20);
    })
    .await;
}

/// So many that accept and say nothing, so that an attempt lasts until its socket is closed.
async fn silent<const N: usize>() -> ([Listener; N], String) {
    let mut listeners = Vec::new();
    for _ in 0..N {
        listeners.push(Listener::bind().await);
    }
    let addresses: Vec<String> = listeners.iter().map(|l| l.address.to_string()).collect();
    let listeners = listeners.try_into().ok().expect("there are as many");
    (listeners, format!("ipv4:{}", addresses.join(",")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_connections_are_made_at_once_than_allowed() {
    const MOST: usize = 2;
    bounded(async {
        let (listeners, target) = silent::<6>().await;
        let _channel = builder(target).max_connecting(MOST).connect().unwrap();
        let mut accepting: FuturesUnordered<_> = listeners.iter().map(Listener::socket).collect();
        let mut attempts = Vec::new();
        while attempts.len() < MOST {
            attempts.push(accepting.next().await.unwrap());
        }
        // Another channel, without that bound, has time to make all of its attempts.
        let (others, target) = silent::<6>().await;
        let _unbounded = builder(target).connect().unwrap();
        for other in &others {
            drop(other.socket().await);
        }
        assert!(
            accepting.next().now_or_never().is_none(),
            "the others wait for their turn"
        );
        while !accepting.is_empty() {
            attempts.remove(0);
            attempts.push(accepting.next().await.unwrap());
        }
    })
    .await;
}

#[tokio::test]
async fn a_subset_of_none_is_refused() {
    let replica = Replica::new();
    let error = crate::replica::to([&replica])
        .subset(0)
        .connect()
        .unwrap_err();
    let expected = "the setting subset is not valid: expected at least 1";
    assert_eq!(error.to_string(), expected);
}
