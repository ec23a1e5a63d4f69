//! What a channel tells of itself.

use std::time::Duration;

use grpc_channel::{Disconnect, HedgingPolicy, State, SubchannelStats};
use tonic::{Code, Request};

use crate::echo::{Client, Message, Method};
use crate::hedging::raced;
use crate::load::burst;
use crate::replica::{Replica, ready, replicas, to};
use crate::{bounded, wait_until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_statistics_count_what_happened_at_each_address() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let down = Replica::new();
        let channel = to(replicas.iter().chain([&down])).connect().unwrap();
        ready(&channel, 2).await;
        burst(&channel, Method::Add, 2, 20).await;
        replicas[1].refuse(3, Code::Internal);
        let tally = burst(&channel, Method::Add, 2, 20).await;
        assert_eq!(tally.failures.len(), 3);
        for replica in &replicas {
            replica.hold();
        }
        let client = Client::new(&channel);
        let calls: Vec<_> = (0..4)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.call(Method::Add).await })
            })
            .collect();
        wait_until("two calls are at each replica", || {
            replicas.iter().all(|replica| replica.running() == 2)
        })
        .await;

        let stats = channel.stats();
        assert_eq!(stats.state, State::Ready);
        assert!(stats.resolve_error.is_none());
        let addresses: Vec<String> = stats
            .subchannels
            .iter()
            .map(|subchannel| subchannel.address.to_string())
            .collect();
        assert!(stats.target.ends_with(&addresses.join(",")), "{stats:?}");
        for (subchannel, failed) in stats.subchannels.iter().zip([0, 3]) {
            assert_eq!(subchannel.state, State::Ready);
            assert_eq!(subchannel.last_disconnect, None);
            assert_eq!(subchannel.connections, 1);
            assert_eq!(subchannel.calls_started, 22);
            assert_eq!(subchannel.calls_succeeded, 20 - failed);
            assert_eq!(subchannel.calls_failed, failed);
            assert_eq!(subchannel.calls_in_flight, 2);
        }
        let down = &stats.subchannels[2];
        assert_eq!(down.last_disconnect, Some(Disconnect::Refused));
        assert_eq!((down.connections, down.calls_started), (0, 0));

        for replica in &replicas {
            replica.release();
        }
        for call in calls {
            call.await.unwrap().unwrap();
        }
        replicas[0].age();
        wait_until("a new connection is counted", || {
            channel.stats().subchannels[0].connections == 2
        })
        .await;
        for subchannel in &channel.stats().subchannels[..2] {
            assert_eq!(subchannel.calls_in_flight, 0);
            assert_eq!(
                subchannel.calls_succeeded + subchannel.calls_failed,
                subchannel.calls_started
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_nobody_waits_for_any_longer_is_no_failure_but_one_that_is_late_is() {
    bounded(async {
        let replicas = replicas::<1>().await;
        let channel = to(&replicas).connect().unwrap();
        ready(&channel, 1).await;
        replicas[0].hold();
        let client = Client::new(&channel);
        let dropped = tokio::spawn({
            let client = client.clone();
            async move { client.call(Method::Add).await }
        });
        wait_until("the call is there", || replicas[0].running() == 1).await;
        dropped.abort();
        wait_until("it is cancelled", || {
            channel.stats().subchannels[0].calls_in_flight == 0
        })
        .await;
        let stats = &channel.stats().subchannels[0];
        assert_eq!((stats.calls_cancelled, stats.calls_failed), (1, 0));

        let soon = Duration::from_millis(50);
        let late = client.call_within(Method::Add, soon).await.unwrap_err();
        assert_eq!(late.code(), Code::DeadlineExceeded);
        let stats = &channel.stats().subchannels[0];
        assert_eq!((stats.calls_cancelled, stats.calls_failed), (1, 1));
        assert_eq!((stats.calls_started, stats.calls_in_flight), (2, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_dropped_before_its_end_is_no_failure() {
    bounded(async {
        let replicas = replicas::<1>().await;
        let channel = to(&replicas).connect().unwrap();
        replicas[0].hold();
        let request = Message {
            number: 3,
            ..Message::default()
        };
        let client = Client::new(&channel);
        let response = client.watch(Request::new(request)).await.unwrap();
        drop(response);
        let stats = &channel.stats().subchannels[0];
        assert_eq!((stats.calls_cancelled, stats.calls_failed), (1, 0));
        assert_eq!((stats.calls_started, stats.calls_in_flight), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hedge_that_another_was_faster_than_is_no_failure() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let policy = HedgingPolicy {
            hedging_delay: Duration::ZERO,
            ..HedgingPolicy::default()
        };
        let channel = to(&replicas).hedging(policy).connect().unwrap();
        ready(&channel, 2).await;
        for _ in 0..4 {
            raced(&channel, &replicas).await;
        }
        let stats = channel.stats();
        let counts = |subchannel: &SubchannelStats| {
            [
                subchannel.calls_succeeded,
                subchannel.calls_failed,
                subchannel.calls_cancelled,
                subchannel.calls_in_flight,
            ]
        };
        assert_eq!(counts(&stats.subchannels[0]), [0, 0, 4, 0]);
        assert_eq!(counts(&stats.subchannels[1]), [4, 0, 0, 0]);
    })
    .await;
}
