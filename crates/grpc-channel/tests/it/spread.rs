//! Calls are spread exactly.

use std::collections::BTreeMap;

use crate::echo::Method;
use crate::load::burst;
use crate::replica::{PORT, Replica, builder, replicas, to};
use crate::{bounded, dns};

fn each(replicas: &[Replica], calls: u64) -> BTreeMap<String, u64> {
    let name = |replica: &Replica| (replica.name.clone(), calls);
    replicas.iter().map(name).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stable_replicas_get_the_same_number_of_calls_from_the_first_call_on() {
    bounded(async {
        let replicas = replicas::<3>().await;
        let channel = to(&replicas).connect().unwrap();
        let tally = burst(&channel, Method::Read, 10, 30_000).await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        assert_eq!(tally.answered, each(&replicas, 10_000));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_differ_by_one_at_most_when_calls_do_not_divide() {
    bounded(async {
        let replicas = replicas::<3>().await;
        let channel = to(&replicas).connect().unwrap();
        let tally = burst(&channel, Method::Add, 7, 1_000).await;
        let mut counts: Vec<u64> = tally.answered.into_values().collect();
        counts.sort_unstable();
        assert_eq!(counts, [333, 333, 334]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_named_twice_gets_one_share() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let channel = to(replicas.iter().chain(&replicas)).connect().unwrap();
        let tally = burst(&channel, Method::Read, 4, 1_000).await;
        assert_eq!(tally.answered, each(&replicas, 500));
        assert_eq!(channel.stats().subchannels.len(), 2);
        for replica in &replicas {
            assert_eq!(replica.accepted_connections(), 1);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_dns_gives_twice_gets_one_share() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let [one, two] = replicas.each_ref().map(|replica| replica.address.ip());
        let dns = dns::Server::start().await;
        dns.answer(dns::Answer::addresses([one, two, one]));
        let channel = builder(dns.target("echo.test", PORT)).connect().unwrap();
        let tally = burst(&channel, Method::Read, 4, 1_000).await;
        assert_eq!(tally.answered, each(&replicas, 500));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_calls_at_once_share_one_connection_for_each_replica() {
    bounded(async {
        let replicas = replicas::<2>().await;
        for replica in &replicas {
            replica.hold();
        }
        let channel = to(&replicas).connect().unwrap();
        let calls = burst(&channel, Method::Add, 200, 200);
        let all_there = async {
            for replica in &replicas {
                crate::wait_until("half of the calls are there", || replica.running() == 100).await;
            }
            for replica in &replicas {
                replica.release();
            }
        };
        let (tally, ()) = tokio::join!(calls, all_there);
        assert_eq!(tally.answered, each(&replicas, 100));
        for replica in &replicas {
            assert_eq!(replica.accepted_connections(), 1);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_beyond_the_streams_that_a_replica_allows_wait_for_their_turn() {
    bounded(async {
        let mut replica = Replica::new().max_streams(1);
        replica.start().await;
        let channel = to([&replica]).connect().unwrap();
        let tally = burst(&channel, Method::Add, 50, 500).await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        assert_eq!(tally.answered, each(&[replica], 500));
    })
    .await;
}
