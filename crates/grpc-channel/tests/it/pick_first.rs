//! One connection for all calls: which one, and when another.

use std::time::Duration;

use grpc_channel::{Builder, Policy, State};
use tonic::Code;

use crate::dns::{Answer, Server};
use crate::echo::{Client, Method, served_by};
use crate::load::{Load, burst};
use crate::loss::BACKOFF;
use crate::raw::Listener;
use crate::replica::{PORT, Replica, builder, ready, replicas, to};
use crate::{bounded, wait_until};

fn pick_first(builder: Builder) -> Builder {
    builder.policy(Policy::PickFirst { shuffle: false })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_calls_go_to_the_first_address_over_one_connection() {
    bounded(async {
        let replicas = replicas::<3>().await;
        let channel = pick_first(to(&replicas)).connect().unwrap();
        let tally = burst(&channel, Method::Add, 10, 1_000).await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        assert_eq!(tally.answered[&replicas[0].name], 1_000);
        let accepted: Vec<usize> = replicas.iter().map(Replica::accepted_connections).collect();
        assert_eq!(accepted, [1, 0, 0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_shuffle_do_not_all_choose_the_same_replica() {
    bounded(async {
        let replicas = replicas::<3>().await;
        let mut channels = Vec::new();
        for _ in 0..40 {
            let policy = Policy::PickFirst { shuffle: true };
            let channel = to(&replicas).policy(policy).connect().unwrap();
            Client::new(&channel).call(Method::Add).await.unwrap();
            channels.push(channel);
        }
        for replica in &replicas {
            assert!(replica.open_connections() > 0, "40 clients reach all of 3");
        }
        let open: usize = replicas.iter().map(Replica::open_connections).sum();
        assert_eq!(open, 40, "each client has one connection");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_address_takes_over_when_the_first_fails() {
    bounded(async {
        let mut replicas = replicas::<2>().await;
        let builder = pick_first(to(&replicas)).backoff(BACKOFF);
        let channel = builder.connect().unwrap();
        let load = Load::start(&channel, Method::Read, 8);
        load.answers(100).await;
        replicas[0].kill().await;
        load.answers(100).await;
        replicas[0].start().await;
        load.answers(100).await;
        let tally = load.stop().await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        assert_eq!(replicas[1].open_connections(), 1);
        assert_eq!(replicas[0].open_connections(), 0, "it stays where it is");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_never_answers_does_not_hold_up_the_next() {
    bounded(async {
        let silent = Listener::bind().await;
        let mut replica = Replica::new();
        replica.start().await;
        let target = format!("ipv4:{},{}", silent.address, replica.address);
        // The test's own bound is shorter.
        let builder = builder(target).connect_timeout(Duration::from_mins(5));
        let channel = pick_first(builder).connect().unwrap();
        let response = Client::new(&channel).call(Method::Add).await.unwrap();
        assert_eq!(served_by(&response), replica.name);
        let addresses: Vec<_> = channel.stats().subchannels;
        assert_eq!(addresses.len(), 1, "the attempt that lost is cancelled");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connection_is_kept_while_its_address_is_in_the_answer() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let [one, two] = replicas.each_ref().map(|replica| replica.address.ip());
        let dns = Server::start().await;
        dns.answer(Answer::addresses([two]));
        let (min, max) = (Duration::from_millis(20), Duration::from_millis(50));
        let builder = builder(dns.target("echo.test.", PORT)).dns_interval(min, max);
        let channel = pick_first(builder).connect().unwrap();
        let client = Client::new(&channel);
        let served = async || served_by(&client.call(Method::Add).await.unwrap());
        assert_eq!(served().await, replicas[1].name);

        dns.answer(Answer::addresses([one, two]));
        let queries = dns.queries();
        wait_until("the new answer is known", || dns.queries() > queries + 2).await;
        assert_eq!(served().await, replicas[1].name);
        assert_eq!(replicas[0].accepted_connections(), 0);

        dns.answer(Answer::addresses([one]));
        wait_until("the address that is gone has no connection", || {
            replicas[1].open_connections() == 0
        })
        .await;
        assert_eq!(served().await, replicas[0].name);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_no_address_works_calls_fail_until_one_does() {
    bounded(async {
        let mut replicas = [Replica::new(), Replica::new()];
        let builder = pick_first(to(&replicas)).backoff(BACKOFF);
        let channel = builder.connect().unwrap();
        let client = Client::new(&channel);
        let status = client.call(Method::Add).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        for replica in &replicas {
            let cause = format!("{} connection refused", replica.address);
            assert!(status.message().contains(&cause), "{status:?}");
        }
        replicas[1].start().await;
        wait_until("it is found", || channel.stats().state == State::Ready).await;
        let response = client.call(Method::Add).await.unwrap();
        assert_eq!(served_by(&response), replicas[1].name);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_figures_of_an_address_go_on_when_its_connection_was_lost() {
    bounded(async {
        let mut replicas = replicas::<1>().await;
        let builder = pick_first(to(&replicas)).backoff(BACKOFF);
        let channel = builder.connect().unwrap();
        for connections in 1..=3 {
            ready(&channel, 1).await;
            burst(&channel, Method::Add, 2, 10).await;
            let stats = &channel.stats().subchannels[0];
            assert_eq!(stats.connections, connections);
            assert_eq!(stats.calls_started, 10 * connections);
            assert_eq!(stats.calls_succeeded, 10 * connections);
            assert_eq!(stats.last_disconnect.is_some(), connections > 1);
            replicas[0].kill().await;
            wait_until("the loss is known", || {
                channel.stats().state != State::Ready
            })
            .await;
            replicas[0].start().await;
        }
    })
    .await;
}
