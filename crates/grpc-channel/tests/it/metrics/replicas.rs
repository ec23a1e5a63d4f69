//! What the metrics tell of replicas: their connections, ejections and weights.

use std::time::Duration;

use grpc_channel::resolver::{Endpoint, Publisher, Resolve};
use grpc_channel::{FailurePercentage, OutlierDetection, Policy};
use tonic::Code;

use super::recorded::{Recorded, labels};
use super::target;
use crate::echo::Method;
use crate::load::{Load, burst};
use crate::loss::BACKOFF;
use crate::replica::{Replica, builder, ready, replicas, to};
use crate::{bounded, wait_until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_counted_as_a94_says() {
    bounded(async {
        let mut replicas = replicas::<2>().await;
        let down = Replica::new();
        let recorded = Recorded::new();
        let builder = to(replicas.iter().chain([&down])).backoff(BACKOFF);
        let builder = builder.meter_provider(&recorded.provider);
        let channel = builder.connect().unwrap();
        ready(&channel, 2).await;
        let target = target(&channel);
        let only_target = labels([("grpc.target", target.as_str())]);

        let succeeded = recorded.only("grpc.subchannel.connection_attempts_succeeded");
        assert_eq!((succeeded.unit.as_str(), succeeded.sum), ("{attempt}", 2.0));
        assert_eq!(succeeded.labels, only_target);
        wait_until("the third could not be reached", || {
            recorded.total("grpc.subchannel.connection_attempts_failed") >= 1.0
        })
        .await;
        let failed = recorded.only("grpc.subchannel.connection_attempts_failed");
        assert_eq!(failed.unit, "{attempt}");
        assert_eq!(failed.labels, only_target);
        let open = recorded.only("grpc.subchannel.open_connections");
        assert_eq!((open.unit.as_str(), open.sum), ("{connection}", 2.0));
        assert_eq!(open.labels, only_target);

        replicas[0].kill().await;
        wait_until("the loss is counted", || {
            recorded.total("grpc.subchannel.disconnections") == 1.0
        })
        .await;
        assert_eq!(recorded.total("grpc.subchannel.open_connections"), 1.0);
        replicas[0].start().await;
        ready(&channel, 2).await;
        assert_eq!(recorded.total("grpc.subchannel.open_connections"), 2.0);

        drop(channel);
        wait_until("all are closed", || {
            recorded.total("grpc.subchannel.disconnections") == 3.0
        })
        .await;
        assert_eq!(recorded.total("grpc.subchannel.open_connections"), 0.0);
        let causes = recorded.sums("grpc.subchannel.disconnections", "grpc.disconnect_error");
        assert_eq!(causes["subchannel shutdown"], 2.0, "{causes:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ejections_are_counted_by_what_found_them_and_by_why_they_were_not_enforced() {
    bounded(async {
        let replicas = replicas::<3>().await;
        for replica in &replicas[..2] {
            replica.refuse(usize::MAX, Code::Internal);
        }
        let mut failures = FailurePercentage::default();
        failures.minimum_hosts = 1;
        failures.request_volume = 5;
        let mut detection = OutlierDetection::default();
        detection.interval = Duration::from_millis(20);
        detection.base_ejection_time = Duration::from_mins(5);
        detection.max_ejection_percent = 30;
        detection.failure_percentage = Some(failures);
        let recorded = Recorded::new();
        let builder = to(&replicas).outlier_detection(detection);
        let builder = builder.meter_provider(&recorded.provider);
        let channel = builder.connect().unwrap();
        let load = Load::start(&channel, Method::Add, 4);
        wait_until("one is ejected, and the other may not be", || {
            recorded.total("grpc.lb.outlier_detection.ejections_unenforced") >= 1.0
        })
        .await;
        load.stop().await;
        let enforced = recorded.only("grpc.lb.outlier_detection.ejections_enforced");
        assert_eq!((enforced.unit.as_str(), enforced.sum), ("{ejection}", 1.0));
        let target = target(&channel);
        let method = "grpc.lb.outlier_detection.detection_method";
        let mut expected = labels([("grpc.target", &*target), (method, "failure_percentage")]);
        assert_eq!(enforced.labels, expected);
        let unenforced = recorded.only("grpc.lb.outlier_detection.ejections_unenforced");
        expected.extend(labels([(
            "grpc.lb.outlier_detection.unenforced_reason",
            "max_ejection_overflow",
        )]));
        assert_eq!(unenforced.labels, expected);
    })
    .await;
}

/// Gives the same endpoints for ever.
struct Given(Vec<Endpoint>);

impl Resolve for Given {
    async fn run(self, publisher: Publisher) {
        publisher.publish(Ok(self.0)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_weights_of_a_weighted_round_robin_are_recorded() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let recorded = Recorded::new();
        let endpoints = replicas
            .iter()
            .zip([1, 3])
            .map(|(replica, weight)| Endpoint::new(replica.address).with_weight(weight));
        let channel = builder("echo.test:1")
            .policy(Policy::WeightedRoundRobin)
            .meter_provider(&recorded.provider)
            .connect_with(Given(endpoints.collect()))
            .unwrap();
        ready(&channel, 2).await;
        burst(&channel, Method::Read, 1, 1).await;
        let weights = recorded.only("grpc.lb.wrr.endpoint_weights");
        assert_eq!(weights.unit, "{weight}");
        assert_eq!((weights.min, weights.max), (1.0, 3.0));
        assert_eq!(
            weights.labels,
            labels([("grpc.target", "dns:///echo.test:1")]),
            "a bare name is recorded with its scheme"
        );
    })
    .await;
}
