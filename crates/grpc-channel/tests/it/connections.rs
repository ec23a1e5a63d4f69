//! Replicas that allow fewer calls on one connection than are made.

use std::collections::BTreeMap;
use std::time::Duration;

use grpc_channel::{Builder, Channel, Connections};
use tokio::task::JoinSet;
use tonic::Status;

use crate::echo::{Client, Method};
use crate::load::{Load, burst};
use crate::loss::BACKOFF;
use crate::replica::{Replica, ready, to};
use crate::{bounded, wait_until};

/// A replica that allows so many calls on one connection.
async fn limited(max_streams: u32) -> Replica {
    let mut replica = Replica::new().max_streams(max_streams);
    replica.start().await;
    replica
}

fn with_connections(builder: Builder, max: usize) -> Builder {
    let mut connections = Connections::default();
    connections.max = max;
    connections.idle = Duration::from_millis(20);
    builder.connections(connections)
}

/// Makes calls that wait at the replica.
fn calls(channel: &Channel, count: usize) -> JoinSet<Result<(), Status>> {
    let mut calls = JoinSet::new();
    for _ in 0..count {
        let client = Client::new(channel);
        calls.spawn(async move { client.call(Method::Add).await.map(drop) });
    }
    calls
}

async fn all_succeed(calls: JoinSet<Result<(), Status>>) {
    for result in calls.join_all().await {
        result.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_calls_at_once_open_as_many_connections_as_they_need() {
    bounded(async {
        let replica = limited(10).await;
        replica.hold();
        let channel = with_connections(to([&replica]), 8).connect().unwrap();
        let calls = calls(&channel, 50);
        wait_until("all calls run at the same time", || replica.running() == 50).await;
        assert_eq!(replica.accepted_connections(), 5);
        let stats = channel.stats();
        assert_eq!(stats.subchannels.len(), 1);
        assert_eq!(stats.subchannels[0].open_connections, 5);
        assert_eq!(stats.subchannels[0].connections, 5);
        assert_eq!(stats.subchannels[0].calls_in_flight, 50);
        replica.release();
        all_succeed(calls).await;
        wait_until("those that are not needed close", || {
            replica.open_connections() == 1
        })
        .await;
        assert_eq!(channel.stats().subchannels[0].open_connections, 1);
        Client::new(&channel).call(Method::Add).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_beyond_the_bound_wait_for_their_turn() {
    bounded(async {
        let replica = limited(10).await;
        replica.hold();
        let channel = with_connections(to([&replica]), 2).connect().unwrap();
        let calls = calls(&channel, 50);
        wait_until("two connections are full", || replica.running() == 20).await;
        wait_until("the others have their place in the queue", || {
            channel.stats().subchannels[0].calls_in_flight == 50
        })
        .await;
        assert_eq!(replica.running(), 20);
        assert_eq!(replica.accepted_connections(), 2);
        replica.release();
        all_succeed(calls).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_of_calls_that_is_set_opens_another_connection_as_well() {
    bounded(async {
        let replica = limited(100).await;
        replica.hold();
        let mut connections = Connections::default();
        connections.max = 3;
        connections.max_calls = 2;
        let channel = to([&replica]).connections(connections).connect().unwrap();
        let calls = calls(&channel, 9);
        wait_until("all calls run", || replica.running() == 9).await;
        assert_eq!(replica.accepted_connections(), 3);
        replica.release();
        all_succeed(calls).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_with_several_connections_still_get_the_same_number_of_calls() {
    bounded(async {
        let replicas = [limited(5).await, limited(5).await, limited(5).await];
        let channel = with_connections(to(&replicas), 4).connect().unwrap();
        ready(&channel, 3).await;
        let tally = burst(&channel, Method::Add, 60, 3_000).await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        let even: BTreeMap<String, u64> = replicas
            .iter()
            .map(|replica| (replica.name.clone(), 1_000))
            .collect();
        assert_eq!(tally.answered, even);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_grow_old_under_load_fail_no_call() {
    bounded(async {
        let replicas = [limited(3).await, limited(3).await];
        let builder = with_connections(to(&replicas), 4).backoff(BACKOFF);
        let channel = builder.connect().unwrap();
        ready(&channel, 2).await;
        let load = Load::start(&channel, Method::Add, 20);
        for _ in 0..5 {
            load.answers(200).await;
            replicas[0].age();
            load.answers(200).await;
            replicas[1].age();
        }
        let tally = load.stop().await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_accepts_no_second_connection_goes_on_with_the_first() {
    bounded(async {
        let mut replica = limited(2).await;
        replica.hold();
        let builder = with_connections(to([&replica]), 4).backoff(BACKOFF);
        let channel = builder.connect().unwrap();
        ready(&channel, 1).await;
        replica.refuse_connections().await;
        let calls = calls(&channel, 10);
        wait_until("the connection is full", || replica.running() == 2).await;
        replica.release();
        all_succeed(calls).await;
        assert_eq!(replica.accepted_connections(), 1);
    })
    .await;
}
