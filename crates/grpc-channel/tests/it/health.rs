//! Replicas that are connected and say whether they want calls.

use std::time::Duration;

use grpc_channel::{Builder, Channel, Policy, State, Unhealthy};
use tonic::Code;

use crate::echo::{Client, Health, Method, served_by};
use crate::load::{Load, burst};
use crate::loss::BACKOFF;
use crate::replica::{Replica, ready, replicas, to};
use crate::{bounded, wait_until};

const SERVICE: &str = "echo.v1.EchoService";

async fn healthy<const N: usize>() -> [Replica; N] {
    let replicas = replicas::<N>().await;
    for replica in &replicas {
        replica.says(Health::Serving);
    }
    replicas
}

fn checked(replicas: &[Replica]) -> Builder {
    to(replicas).backoff(BACKOFF).health_check(SERVICE)
}

async fn unhealthy(channel: &Channel, why: &Unhealthy) {
    wait_until(format!("a replica is unhealthy: {why}"), || {
        let subchannels = channel.stats().subchannels;
        let mut unhealthy = subchannels.iter().filter_map(|s| s.unhealthy.as_ref());
        unhealthy.next() == Some(why)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_does_not_serve_leaves_the_rotation_and_comes_back() {
    bounded(async {
        let replicas = healthy::<3>().await;
        let channel = checked(&replicas).connect().unwrap();
        ready(&channel, 3).await;
        let load = Load::start(&channel, Method::Add, 4);
        load.answers(100).await;
        replicas[1].says(Health::NotServing);
        unhealthy(&channel, &Unhealthy::NotServing).await;
        let state = channel.stats().subchannels[1].state;
        assert_eq!(state, State::TransientFailure);
        // Calls that were picked before have arrived when as many have been answered.
        load.answers(100).await;
        let before = replicas[1].started();
        load.answers(300).await;
        assert_eq!(replicas[1].started(), before, "it gets no calls");
        replicas[1].says(Health::Serving);
        ready(&channel, 3).await;
        load.answers(300).await;
        assert!(replicas[1].started() > before);
        let tally = load.stop().await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        assert_eq!(replicas[1].accepted_connections(), 1, "it stays connected");
        assert_eq!(replicas[1].watches(), 1, "one watch tells it all");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_told_that_no_replica_serves() {
    bounded(async {
        let replicas = healthy::<2>().await;
        replicas[0].says(Health::NotServing);
        replicas[1].says(Health::ServiceUnknown);
        let channel = checked(&replicas).connect().unwrap();
        let status = Client::new(&channel).call(Method::Add).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        for cause in [
            format!("{} not serving", replicas[0].address),
            format!(
                "{} its health service does not know the service {SERVICE:?}",
                replicas[1].address
            ),
        ] {
            assert!(status.message().contains(&cause), "{status:?}");
        }
        assert_eq!(channel.stats().state, State::TransientFailure);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_a_health_service_counts_as_healthy() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let channel = checked(&replicas).connect().unwrap();
        ready(&channel, 2).await;
        let tally = burst(&channel, Method::Add, 4, 100).await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        assert!(replicas.iter().all(|replica| replica.watches() == 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_breaks_is_begun_again() {
    bounded(async {
        let replicas = healthy::<1>().await;
        replicas[0].says(Health::Failing(Code::NotFound));
        let channel = checked(&replicas).connect().unwrap();
        let why = Unhealthy::Watch {
            code: Code::NotFound,
            message: "failed as the test asked".to_owned(),
        };
        unhealthy(&channel, &why).await;
        wait_until("it is tried again", || replicas[0].watches() >= 3).await;
        replicas[0].says(Health::Serving);
        ready(&channel, 1).await;
        replicas[0].says(Health::Failing(Code::Internal));
        wait_until("it is not picked", || {
            channel.stats().state == State::TransientFailure
        })
        .await;
        replicas[0].says(Health::Serving);
        ready(&channel, 1).await;
        assert_eq!(replicas[0].accepted_connections(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_picked_before_the_first_answer() {
    bounded(async {
        let replicas = healthy::<1>().await;
        replicas[0].says(Health::Silent);
        let channel = checked(&replicas).connect().unwrap();
        wait_until("it is asked", || replicas[0].watches() == 1).await;
        let client = Client::new(&channel);
        let status = client
            .call_within(Method::Add, Duration::from_millis(50))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(channel.stats().subchannels[0].state, State::Connecting);
        assert_eq!(replicas[0].started(), 0);
        replicas[0].says(Health::Serving);
        client.call(Method::Add).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pick_first_does_not_ask_and_round_robin_after_it_does() {
    bounded(async {
        let replicas = healthy::<2>().await;
        replicas[0].says(Health::NotServing);
        let policy = Policy::PickFirst { shuffle: false };
        let channel = checked(&replicas).policy(policy).connect().unwrap();
        let client = Client::new(&channel);
        let response = client.call(Method::Add).await.unwrap();
        assert_eq!(served_by(&response), replicas[0].name);
        assert_eq!(replicas[0].watches(), 0);

        channel.set_policy(Policy::RoundRobin).unwrap();
        unhealthy(&channel, &Unhealthy::NotServing).await;
        ready(&channel, 1).await;
        wait_until("the other one serves alone", || {
            channel.stats().subchannels[1].state == State::Ready
        })
        .await;
        channel
            .set_policy(Policy::PickFirst { shuffle: false })
            .unwrap();
        wait_until("one is left", || channel.stats().subchannels.len() == 1).await;
        client.call(Method::Add).await.unwrap();
    })
    .await;
}
