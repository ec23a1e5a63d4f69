//! Replicas that die, drain, grow old and come back, under load.

use std::time::Duration;

use grpc_channel::{Backoff, Channel, State};
use tokio::task::JoinSet;
use tonic::Code;

use crate::echo::{Client, Method};
use crate::load::{Load, burst};
use crate::replica::{Replica, ready, replicas, to};
use crate::{bounded, wait_until};

/// So short that a test need not wait.
pub(crate) const BACKOFF: Backoff = Backoff {
    base: Duration::from_millis(20),
    multiplier: 1.6,
    jitter: 0.2,
    max: Duration::from_millis(200),
};

fn state(channel: &Channel) -> State {
    channel.stats().state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_replica_fails_no_idempotent_call() {
    bounded(async {
        let mut replicas = replicas::<3>().await;
        let channel = to(&replicas).backoff(BACKOFF).connect().unwrap();
        let load = Load::start(&channel, Method::Read, 8);
        for killed in [0, 1, 2, 0] {
            ready(&channel, 3).await;
            load.answers(300).await;
            replicas[killed].kill().await;
            load.answers(300).await;
            replicas[killed].start().await;
        }
        let tally = load.stop().await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_replica_fails_exactly_the_calls_in_flight_there_that_may_not_be_repeated() {
    const WORKERS: usize = 8;
    bounded(async {
        let mut replicas = replicas::<3>().await;
        let channel = to(&replicas).backoff(BACKOFF).connect().unwrap();
        let load = Load::start(&channel, Method::Add, WORKERS);
        load.answers(100).await;
        // Each worker comes to this replica in its turn and then waits there.
        replicas[1].hold();
        wait_until("every worker waits for one replica", || {
            replicas[1].running() == WORKERS
        })
        .await;
        replicas[1].kill().await;
        load.answers(300).await;
        assert_eq!(load.failed(), WORKERS as u64);
        let tally = load.stop().await;
        for failure in tally.failures {
            assert_eq!(failure.code(), Code::Unavailable, "{failure:?}");
            let address = replicas[1].address.to_string();
            assert!(failure.message().contains(&address), "{failure:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draining_replica_fails_no_call_of_any_method_without_a_retry_policy() {
    bounded(async {
        let mut replicas = replicas::<3>().await;
        let channel = to(&replicas)
            .retry(None)
            .backoff(BACKOFF)
            .connect()
            .unwrap();
        let load = Load::start(&channel, Method::Add, 8);
        for round in 0..9 {
            ready(&channel, 3).await;
            load.answers(200).await;
            replicas[round % 3].drain().await;
            load.answers(200).await;
            replicas[round % 3].start().await;
        }
        let tally = load.stop().await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_in_flight_on_a_draining_replica_finishes_there() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let channel = to(&replicas).retry(None).connect().unwrap();
        ready(&channel, 2).await;
        replicas[0].hold();
        replicas[1].hold();
        let call = |client: Client| tokio::spawn(async move { client.call(Method::Add).await });
        let calls = [(); 2].map(|()| call(Client::new(&channel)));
        wait_until("both replicas have a call", || {
            replicas.iter().all(|replica| replica.running() == 1)
        })
        .await;
        replicas[0].age();
        replicas[1].age();
        wait_until("both have a second connection", || {
            let second = |replica: &Replica| replica.accepted_connections() == 2;
            replicas.iter().all(second)
        })
        .await;
        for replica in &replicas {
            replica.release();
        }
        for call in calls {
            call.await.unwrap().unwrap();
        }
        wait_until("the first connections are closed", || {
            replicas
                .iter()
                .all(|replica| replica.open_connections() == 1)
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_aged_again_and_again_fail_nothing() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let channel = to(&replicas).retry(None).connect().unwrap();
        let load = Load::start(&channel, Method::Add, 16);
        for round in 0..20 {
            load.answers(100).await;
            replicas[round % 2].age();
        }
        let tally = load.stop().await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        for replica in &replicas {
            let connections = replica.accepted_connections();
            assert!(connections > 2, "a new connection follows an old one");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_wait_in_line_for_a_stream_survive_an_aged_connection() {
    bounded(async {
        let mut replica = Replica::new().max_streams(1);
        replica.start().await;
        let channel = to([&replica]).retry(None).connect().unwrap();
        let load = Load::start(&channel, Method::Add, 20);
        for _ in 0..5 {
            load.answers(50).await;
            replica.age();
        }
        let tally = load.stop().await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_wait_in_line_for_a_stream_survive_a_killed_replica_whatever_the_method() {
    const IN_LINE: usize = 20;
    bounded(async {
        let mut replica = Replica::new().max_streams(1);
        replica.start().await;
        let channel = to([&replica])
            .retry(None)
            .backoff(BACKOFF)
            .wait_for_ready(true)
            .connect()
            .unwrap();
        replica.hold();
        let mut calls = JoinSet::new();
        for _ in 0..=IN_LINE {
            let client = Client::new(&channel);
            calls.spawn(async move { client.call(Method::Add).await });
        }
        wait_until("one call runs and the others wait", || {
            let in_flight: u64 = channel
                .stats()
                .subchannels
                .iter()
                .map(|s| s.calls_in_flight)
                .sum();
            replica.running() == 1 && in_flight == IN_LINE as u64 + 1
        })
        .await;
        replica.kill().await;
        replica.release();
        replica.start().await;
        let ended = calls.join_all().await;
        let answered = ended.iter().filter(|ended| ended.is_ok()).count();
        assert_eq!(answered, IN_LINE, "only what the replica had may be lost");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_replicas_down_and_back_again_is_a_recovery() {
    bounded(async {
        let mut replicas = replicas::<3>().await;
        let channel = to(&replicas).backoff(BACKOFF).connect().unwrap();
        burst(&channel, Method::Read, 3, 30).await;
        for replica in &mut replicas {
            replica.kill().await;
        }
        wait_until("the channel is in TRANSIENT_FAILURE", || {
            state(&channel) == State::TransientFailure
        })
        .await;
        let failure = Client::new(&channel).call(Method::Read).await.unwrap_err();
        assert_eq!(failure.code(), Code::Unavailable, "{failure:?}");
        for replica in &mut replicas {
            replica.start().await;
        }
        ready(&channel, 3).await;
        let tally = burst(&channel, Method::Add, 3, 300).await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        let shares: Vec<u64> = tally.answered.into_values().collect();
        assert_eq!(shares, [100, 100, 100], "the spread is back as well");
    })
    .await;
}
