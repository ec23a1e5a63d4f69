//! Calls that are sent to several replicas, of which the first good answer is taken.

use std::time::Duration;

use futures_util::stream;
use grpc_channel::{Channel, HedgingPolicy};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use crate::echo::{Client, Method, message, served_by};
use crate::raw::{Event, Listener, Peer};
use crate::replica::{Replica, builder, ready, replicas, to};
use crate::{bounded, wait_until};

/// No test waits for it to pass.
const LONG: Duration = Duration::from_mins(1);

/// Soon, but not so soon that the order of two attempts would be open.
const SOON: Duration = Duration::from_millis(50);

fn policy(max_attempts: u32, hedging_delay: Duration) -> HedgingPolicy {
    HedgingPolicy {
        max_attempts,
        hedging_delay,
        ..HedgingPolicy::default()
    }
}

/// A channel that hedges idempotent calls, and has a connection to each replica.
async fn hedged(replicas: &[Replica], policy: HedgingPolicy) -> Channel {
    let channel = to(replicas).hedging(policy).connect().unwrap();
    ready(&channel, replicas.len()).await;
    channel
}

fn hold_all(replicas: &[Replica]) {
    for replica in replicas {
        replica.hold();
    }
}

/// Makes each replica refuse so many calls, in a way that is not fatal.
fn refuse_all(replicas: &[Replica], calls: usize) {
    for replica in replicas {
        replica.refuse(calls, Code::Unavailable);
    }
}

fn started(replicas: &[Replica]) -> u64 {
    replicas.iter().map(|replica| replica.started()).sum()
}

fn previous_attempts(replicas: &[Replica]) -> Vec<Option<String>> {
    let seen = replicas.iter().flat_map(|replica| replica.seen());
    let mut previous: Vec<_> = seen
        .map(|seen| seen.header("grpc-previous-rpc-attempts").map(str::to_owned))
        .collect();
    previous.sort();
    previous
}

/// A call that is sent to both replicas at once, and answered by the second one when both have it: an answer that
/// is there before the first attempt waits for it leaves no need for another.
pub(crate) async fn raced(channel: &Channel, replicas: &[Replica; 2]) {
    for replica in replicas {
        replica.hold();
    }
    let client = Client::new(channel);
    let call = tokio::spawn(async move { client.call(Method::Read).await });
    wait_until("both attempts are at their replicas", || {
        replicas.iter().all(|replica| replica.running() == 1)
    })
    .await;
    replicas[1].release();
    call.await.unwrap().unwrap();
    wait_until("the other attempt is gone", || replicas[0].running() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_replica_makes_no_slow_call_and_is_told_to_stop() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let channel = hedged(&replicas, policy(2, SOON)).await;
        let client = Client::new(&channel);
        replicas[0].hold();
        for _ in 0..4 {
            let response = client.call(Method::Read).await.unwrap();
            assert_eq!(served_by(&response), replicas[1].name);
        }
        wait_until("the slow replica is told to stop", || {
            replicas[0].running() == 0 && replicas[0].cancelled() == replicas[0].started()
        })
        .await;
        assert!(replicas[0].started() > 0, "some attempts went there first");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_go_to_different_replicas_and_say_how_many_came_before() {
    bounded(async {
        let replicas = replicas::<3>().await;
        hold_all(&replicas);
        let channel = hedged(&replicas, policy(3, Duration::ZERO)).await;
        let client = Client::new(&channel);
        let call = tokio::spawn(async move { client.call(Method::Read).await });
        wait_until("each replica has the call", || {
            replicas.iter().all(|replica| replica.running() == 1)
        })
        .await;
        replicas[2].release();
        let response = call.await.unwrap().unwrap();
        assert_eq!(served_by(&response), replicas[2].name);
        wait_until("the others are cancelled", || {
            replicas[..2].iter().all(|replica| replica.cancelled() == 1)
        })
        .await;
        let expected = [None, Some("1"), Some("2")].map(|n| n.map(str::to_owned));
        assert_eq!(previous_attempts(&replicas), expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_that_is_not_fatal_sends_the_next_attempt_at_once() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let channel = hedged(&replicas, policy(3, LONG)).await;
        let client = Client::new(&channel);
        refuse_all(&replicas, 1);
        client.call(Method::Read).await.unwrap();
        assert_eq!(started(&replicas), 3, "two failed, and the third succeeded");

        refuse_all(&replicas, 9);
        let status = client.call(Method::Read).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.message(), "refused as the test asked");
        assert_eq!(started(&replicas), 6, "there are no more than three");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fatal_failure_ends_the_call_and_cancels_the_other_attempts() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let channel = hedged(&replicas, policy(2, Duration::ZERO)).await;
        let client = Client::new(&channel);
        replicas[0].hold();
        replicas[1].refuse(1, Code::InvalidArgument);
        let status = client.call(Method::Read).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        wait_until("the other attempt is cancelled", || {
            replicas[0].running() == 0 && replicas[0].cancelled() == replicas[0].started()
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_idempotent_is_hedged_only_if_a_config_names_it() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let channel = hedged(&replicas, policy(2, LONG)).await;
        refuse_all(&replicas, 1);
        let status = Client::new(&channel).call(Method::Add).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(started(&replicas), 1);

        let config = json!({"methodConfig": [{
            "name": [{"service": "echo.v1.EchoService", "method": "Add"}],
            "hedgingPolicy": {
                "maxAttempts": 2, "hedgingDelay": "60s", "nonFatalStatusCodes": ["UNAVAILABLE"],
            },
        }]});
        let channel = to(&replicas)
            .service_config(&config.to_string())
            .connect()
            .unwrap();
        ready(&channel, 2).await;
        refuse_all(&replicas, 9);
        let status = Client::new(&channel).call(Method::Add).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(started(&replicas), 3, "two attempts more");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_too_many_calls_fail_only_first_attempts_are_sent() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let channel = to(&replicas)
            .hedging(policy(4, Duration::ZERO))
            .service_config(r#"{"retryThrottling": {"maxTokens": 2, "tokenRatio": 0.001}}"#)
            .connect()
            .unwrap();
        ready(&channel, 2).await;
        let client = Client::new(&channel);
        refuse_all(&replicas, 9);
        client.call(Method::Read).await.unwrap_err();
        let before = started(&replicas);
        client.call(Method::Read).await.unwrap_err();
        assert_eq!(started(&replicas) - before, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_stream_goes_whole_to_every_attempt() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let channel = hedged(&replicas, policy(2, Duration::ZERO)).await;
        hold_all(&replicas);
        let (sender, receiver) = mpsc::channel(1);
        let client = Client::new(&channel);
        let call = tokio::spawn(async move { client.import(ReceiverStream::new(receiver)).await });
        for number in 1..=20 {
            sender.send(message("message")).await.unwrap();
            wait_until("each replica has the message", || {
                replicas.iter().all(|replica| replica.received() == number)
            })
            .await;
        }
        drop(sender);
        replicas[1].release();
        let response = call.await.unwrap().unwrap();
        assert_eq!(served_by(&response), replicas[1].name);
        assert_eq!(response.get_ref().number, 20);
        wait_until("the other is cancelled", || replicas[0].cancelled() == 1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_stream_that_is_too_long_to_keep_goes_on_with_one_attempt() {
    bounded(async {
        let replicas = replicas::<2>().await;
        let channel = hedged(&replicas, policy(2, Duration::ZERO)).await;
        let messages = stream::unfold(0, async |number| {
            // Each message comes by itself, so that both attempts can read it.
            tokio::task::yield_now().await;
            (number < 40).then(|| (message(vec![1; 20 << 10]), number + 1))
        });
        let response = Client::new(&channel).import(messages).await.unwrap();
        assert_eq!(response.get_ref().number, 40, "nothing is lost");
        wait_until("no handler is left", || {
            replicas.iter().all(|replica| replica.running() == 0)
        })
        .await;
    })
    .await;
}

/// A channel that hedges calls to one listener.
async fn raw(policy: HedgingPolicy) -> (Channel, Peer) {
    let listener = Listener::bind().await;
    let channel = builder(listener.target())
        .hedging(policy)
        .connect()
        .unwrap();
    let peer = listener.peer().await;
    (channel, peer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_attempts_that_lose_are_reset() {
    bounded(async {
        let (channel, mut peer) = raw(policy(3, Duration::ZERO)).await;
        let client = Client::new(&channel);
        let call = tokio::spawn(async move { client.call(Method::Read).await });
        let mut streams = Vec::new();
        for _ in 0..3 {
            streams.push(peer.request().await.0);
        }
        peer.respond(streams[1], &message("first")).await;
        assert_eq!(call.await.unwrap().unwrap().get_ref(), &message("first"));
        let mut reset = Vec::new();
        while reset.len() < 2 {
            if let Event::Reset(stream) = peer.event().await {
                reset.push(stream);
            }
        }
        reset.sort_unstable();
        assert_eq!(reset, [streams[0], streams[2]]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_pushes_back_decides_about_the_next_attempt() {
    bounded(async {
        let (channel, mut peer) = raw(policy(2, LONG)).await;
        let client = Client::new(&channel);
        let call = tokio::spawn({
            let client = client.clone();
            async move { client.call(Method::Read).await }
        });
        let (stream, _) = peer.request().await;
        peer.refuse(stream, Code::Unavailable, Some("1")).await;
        let (stream, _) = peer.request().await;
        peer.respond(stream, &message("again")).await;
        assert_eq!(call.await.unwrap().unwrap().get_ref(), &message("again"));

        let call = tokio::spawn(async move { client.call(Method::Read).await });
        let (stream, _) = peer.request().await;
        peer.refuse(stream, Code::Unavailable, Some("-1")).await;
        let status = call.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        drop(channel);
        assert_eq!(
            peer.event().await,
            Event::Closed,
            "there was no other attempt"
        );
    })
    .await;
}
