//! The OpenTelemetry metrics, as an SDK sees them.

#![allow(
    clippy::float_cmp,
    reason = "the numbers that are compared are whole and small, and so exact"
)]

mod recorded;
mod replicas;

use std::time::Duration;

use grpc_channel::{Channel, HedgingPolicy};
use prost::Message as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use self::recorded::{Recorded, labels};
use crate::echo::{Client, Health, Method, message};
use crate::hedging::raced;
use crate::raw::{Listener, NO_ERROR};
use crate::replica::{builder, ready, replicas, to};
use crate::{bounded, wait_until};

const READ: &str = "echo.v1.EchoService/Read";

/// The target of a channel to these replicas.
fn target(channel: &Channel) -> String {
    channel.stats().target
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_and_its_attempt_are_measured_as_a66_says() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let recorded = Recorded::new();
        let builder = to([&replica]).meter_provider(&recorded.provider);
        let channel = builder.connect().unwrap();
        let target = target(&channel);
        Client::new(&channel).call(Method::Read).await.unwrap();

        let of_method = labels([("grpc.method", READ), ("grpc.target", &target)]);
        let ended = labels([
            ("grpc.method", READ),
            ("grpc.target", &target),
            ("grpc.status", "OK"),
        ]);
        let started = recorded.only("grpc.client.attempt.started");
        assert_eq!((started.unit.as_str(), started.sum), ("{attempt}", 1.0));
        assert_eq!(started.labels, of_method);
        let size = message("hello").encoded_len();
        for (name, unit, sum, buckets) in [
            ("grpc.client.attempt.duration", "s", None, 41),
            ("grpc.client.call.duration", "s", None, 41),
            (
                "grpc.client.attempt.sent_total_compressed_message_size",
                "By",
                Some(size),
                14,
            ),
            (
                "grpc.client.attempt.rcvd_total_compressed_message_size",
                "By",
                Some(size),
                14,
            ),
        ] {
            let point = recorded.only(name);
            assert_eq!((point.unit.as_str(), point.count), (unit, 1), "{name}");
            assert_eq!(point.labels, ended, "{name}");
            assert_eq!(point.bounds.len(), buckets, "{name}");
            if let Some(sum) = sum {
                let sum = f64::from(u32::try_from(sum).unwrap());
                assert!((point.sum - sum).abs() < f64::EPSILON, "{name}: {point:?}");
            }
        }
        for name in [
            "grpc.client.call.retries",
            "grpc.client.call.transparent_retries",
            "grpc.client.call.hedges",
            "grpc.client.call.retry_delay",
        ] {
            assert!(
                recorded.points(name).is_empty(),
                "without retries {name} is not reported"
            );
        }
        assert_eq!(recorded.scopes(), ["grpc-channel"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_retried_counts_once_and_its_attempts_each() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let recorded = Recorded::new();
        let builder = to([&replica]).meter_provider(&recorded.provider);
        let channel = builder.connect().unwrap();
        replica.refuse(2, Code::Unavailable);
        Client::new(&channel).call(Method::Read).await.unwrap();

        assert_eq!(recorded.total("grpc.client.attempt.started"), 3.0);
        let attempts = recorded.counts("grpc.client.attempt.duration", "grpc.status");
        assert_eq!(attempts, labels([("OK", 1_u64), ("UNAVAILABLE", 2_u64)]));
        let calls = recorded.counts("grpc.client.call.duration", "grpc.status");
        assert_eq!(calls, labels([("OK", 1_u64)]));
        let retries = recorded.only("grpc.client.call.retries");
        assert_eq!((retries.unit.as_str(), retries.sum), ("{retry}", 2.0));
        assert_eq!(retries.bounds, [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(
            retries.labels,
            labels([("grpc.method", READ), ("grpc.target", &target(&channel))])
        );
        let delay = recorded.only("grpc.client.call.retry_delay");
        // Two waits of 20 ms and 40 ms, each 20 % shorter at most.
        assert!(delay.sum >= 0.045, "{delay:?}");
        assert_eq!((delay.unit.as_str(), delay.count), ("s", 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_met_a_drain_counts_a_transparent_retry_and_the_connection_a_disconnection() {
    bounded(async {
        let listener = Listener::bind().await;
        let recorded = Recorded::new();
        let builder = builder(listener.target()).meter_provider(&recorded.provider);
        let channel = builder.connect().unwrap();
        let mut peer = listener.peer().await;
        let client = Client::new(&channel);
        let call = tokio::spawn(async move { client.call(Method::Add).await });
        let (stream, _) = peer.request().await;
        peer.go_away(stream - 1, NO_ERROR, "").await;
        let mut peer = listener.peer().await;
        let (stream, _) = peer.request().await;
        peer.respond(stream, &message("again")).await;
        call.await.unwrap().unwrap();

        let retries = recorded.only("grpc.client.call.transparent_retries");
        assert_eq!(retries.unit, "{transparent_retry}");
        assert_eq!(retries.sum, 1.0);
        assert_eq!(retries.bounds, [1.0, 2.0, 3.0, 4.0, 5.0, 10.0]);
        assert_eq!(recorded.total("grpc.client.attempt.started"), 2.0);
        let lost = recorded.only("grpc.subchannel.disconnections");
        assert_eq!((lost.unit.as_str(), lost.sum), ("{disconnection}", 1.0));
        assert_eq!(
            lost.labels,
            labels([
                ("grpc.disconnect_error", "GOAWAY NO_ERROR"),
                ("grpc.target", &target(&channel)),
            ])
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hedged_call_counts_its_hedges_and_what_it_cancelled() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let recorded = Recorded::new();
        let policy = HedgingPolicy {
            hedging_delay: Duration::ZERO,
            ..HedgingPolicy::default()
        };
        let builder = to(&replicas).hedging(policy);
        let builder = builder.meter_provider(&recorded.provider);
        let channel = builder.connect().unwrap();
        ready(&channel, 2).await;
        raced(&channel, &replicas).await;

        let hedges = recorded.only("grpc.client.call.hedges");
        assert_eq!((hedges.unit.as_str(), hedges.sum), ("{hedge}", 1.0));
        assert_eq!(recorded.total("grpc.client.attempt.started"), 2.0);
        let attempts = recorded.counts("grpc.client.attempt.duration", "grpc.status");
        assert_eq!(attempts, labels([("CANCELLED", 1_u64), ("OK", 1_u64)]));
        let calls = recorded.counts("grpc.client.call.duration", "grpc.status");
        assert_eq!(calls, labels([("OK", 1_u64)]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_fail_or_end_early_have_the_status_that_their_caller_knows() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let recorded = Recorded::new();
        let builder = to([&replica]).meter_provider(&recorded.provider);
        let channel = builder.connect().unwrap();
        let client = Client::new(&channel);
        replica.refuse(1, Code::NotFound);
        client.call(Method::Add).await.unwrap_err();

        replica.hold();
        let soon = Duration::from_millis(50);
        let status = client.call_within(Method::Add, soon).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);

        let given_up = tokio::spawn({
            let client = client.clone();
            async move { client.call(Method::Add).await }
        });
        wait_until("the call has arrived", || replica.started() == 3).await;
        given_up.abort();
        let _ = given_up.await;

        let mut answers = client.watch(watch_of(3)).await.unwrap().into_inner();
        answers.message().await.unwrap().unwrap();
        drop(answers);

        let expected = labels([
            ("CANCELLED", 2_u64),
            ("DEADLINE_EXCEEDED", 1_u64),
            ("NOT_FOUND", 1_u64),
        ]);
        for name in ["grpc.client.attempt.duration", "grpc.client.call.duration"] {
            assert_eq!(recorded.counts(name, "grpc.status"), expected, "{name}");
        }
        replica.release();
    })
    .await;
}

fn watch_of(answers: u64) -> tonic::Request<crate::echo::Message> {
    let mut request = message("hello");
    request.number = answers;
    tonic::Request::new(request)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_messages_of_streams_are_summed_up_without_what_stands_before_them() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let recorded = Recorded::new();
        let builder = to([&replica]).meter_provider(&recorded.provider);
        let channel = builder.connect().unwrap();
        let client = Client::new(&channel);
        let messages = ["", "one", "two", "three"].map(message);
        let size: usize = messages.iter().map(prost::Message::encoded_len).sum();
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let mut answers = {
            let [first, rest @ ..] = messages;
            sender.send(first).await.unwrap();
            let call = client.chat(ReceiverStream::new(receiver));
            let mut answers = call.await.unwrap().into_inner();
            for next in rest {
                answers.message().await.unwrap().unwrap();
                sender.send(next).await.unwrap();
            }
            answers
        };
        drop(sender);
        while answers.message().await.unwrap().is_some() {}
        let size = f64::from(u32::try_from(size).unwrap());
        for direction in ["sent", "rcvd"] {
            let name = format!("grpc.client.attempt.{direction}_total_compressed_message_size");
            let point = recorded.only(&name);
            assert!((point.sum - size).abs() < f64::EPSILON, "{point:?}");
            assert_eq!(
                point.labels["grpc.method"], "other",
                "no descriptor tells of this method"
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generated_clients_methods_are_known_without_descriptors() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        replica.says(Health::Serving);
        let recorded = Recorded::new();
        let builder = Channel::builder(format!("ipv4:{}", replica.address));
        let builder = builder.meter_provider(&recorded.provider);
        let mut client = HealthClient::new(builder.connect().unwrap());
        let watch = client
            .watch(HealthCheckRequest {
                service: "echo.v1.EchoService".to_owned(),
            })
            .await;
        let mut answers = watch.unwrap().into_inner();
        answers.message().await.unwrap().unwrap();
        drop(answers);
        let duration = recorded.only("grpc.client.call.duration");
        assert_eq!(
            duration.labels["grpc.method"],
            "grpc.health.v1.Health/Watch"
        );
    })
    .await;
}
