//! Replicas that are connected and fail their calls.

use std::time::Duration;

use grpc_channel::{Channel, FailurePercentage, OutlierDetection, State};
use tonic::Code;

use crate::echo::{Client, Method};
use crate::load::{Load, burst};
use crate::replica::{Replica, ready, replicas, to};
use crate::{bounded, wait_until};

fn detection(ejection: Duration) -> OutlierDetection {
    let mut failures = FailurePercentage::default();
    failures.minimum_hosts = 1;
    failures.request_volume = 5;
    let mut detection = OutlierDetection::default();
    detection.interval = Duration::from_millis(20);
    detection.base_ejection_time = ejection;
    detection.max_ejection_percent = 30;
    detection.failure_percentage = Some(failures);
    detection
}

fn ejected(channel: &Channel) -> Vec<bool> {
    let subchannels = channel.stats().subchannels;
    subchannels
        .iter()
        .map(|subchannel| subchannel.ejected)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_fails_every_call_gets_no_more_of_them() {
    bounded(async {
        let replicas = replicas::<3>().await;
        replicas[1].refuse(usize::MAX, Code::Internal);
        let detection = detection(Duration::from_mins(5));
        let channel = to(&replicas)
            .outlier_detection(detection)
            .connect()
            .unwrap();
        let load = Load::start(&channel, Method::Add, 4);
        wait_until("the replica is ejected", || {
            ejected(&channel) == [false, true, false]
        })
        .await;
        load.stop().await;
        assert_eq!(
            channel.stats().subchannels[1].state,
            State::TransientFailure
        );
        let tally = burst(&channel, Method::Add, 4, 300).await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        assert_eq!(tally.answered.len(), 2);
        assert_eq!(replicas[1].open_connections(), 1, "it stays connected");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_was_ejected_comes_back() {
    bounded(async {
        let replicas = replicas::<3>().await;
        replicas[1].refuse(usize::MAX, Code::Internal);
        let detection = detection(Duration::from_millis(100));
        let channel = to(&replicas)
            .outlier_detection(detection)
            .connect()
            .unwrap();
        let load = Load::start(&channel, Method::Add, 4);
        wait_until("the replica is ejected", || {
            ejected(&channel).contains(&true)
        })
        .await;
        replicas[1].refuse(0, Code::Ok);
        wait_until("it is back", || !ejected(&channel).contains(&true)).await;
        let before = replicas[1].started();
        wait_until("it gets calls again", || {
            replicas[1].started() > before + 10
        })
        .await;
        load.stop().await;
        ready(&channel, 3).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_told_when_every_replica_is_ejected() {
    bounded(async {
        let mut replica = Replica::new();
        replica.start().await;
        replica.refuse(usize::MAX, Code::Internal);
        let detection = detection(Duration::from_mins(5));
        let channel = to([&replica])
            .outlier_detection(detection)
            .connect()
            .unwrap();
        let load = Load::start(&channel, Method::Add, 1);
        wait_until("the replica is ejected", || ejected(&channel) == [true]).await;
        load.stop().await;
        let status = Client::new(&channel).call(Method::Add).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        let cause = format!("{} ejected as an outlier", replica.address);
        assert!(status.message().contains(&cause), "{status:?}");
    })
    .await;
}

#[tokio::test]
async fn percentages_beyond_a_hundred_are_refused() {
    let replica = Replica::new();
    let mut detection = OutlierDetection::default();
    detection.max_ejection_percent = 101;
    let builder = to([&replica]).outlier_detection(detection);
    let error = builder.connect().unwrap_err().to_string();
    assert!(error.contains("outlier_detection"), "{error}");
}
