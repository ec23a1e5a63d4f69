//! What a service config makes of a call.

use std::error::Error as _;
use std::time::Duration;

use futures_util::stream;
use grpc_channel::{Channel, WaitForReady};
use serde_json::{Value, json};
use tonic::{Code, Request};

use crate::echo::{Client, Health, Message, Method, message};
use crate::load::burst;
use crate::replica::{Replica, ready, replicas, to};
use crate::{bounded, wait_until};

/// A config for the methods of the echo service, of which one may be named.
fn config(method: Option<Method>, mut fields: Value) -> String {
    let method = method.map(|method| format!("{method:?}"));
    fields["name"] = json!([{"service": "echo.v1.EchoService", "method": method}]);
    json!({"methodConfig": [fields]}).to_string()
}

fn client(replica: &Replica, config: &str) -> Client {
    let channel = to([replica]).service_config(config).connect();
    Client::new(&channel.expect("the config is valid"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_that_is_not_valid_makes_no_channel_and_says_why() {
    for (json, expected, cause) in [
        (
            r#"{"methodConfig": [{"timeout": 5}]}"#,
            "the service config is not valid",
            "methodConfig[0].timeout: expected a duration such as \"1.5s\"",
        ),
        (
            "{",
            "the service config is not JSON",
            "EOF while parsing an object at line 1 column 1",
        ),
    ] {
        let builder = Channel::builder("ipv4:127.0.0.1:1").service_config(json);
        let error = builder.connect().unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.source().unwrap().to_string(), cause);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shorter_time_of_the_config_and_the_caller_holds() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let client = client(&replica, &config(None, json!({"timeout": "10s"})));
        client.call(Method::Read).await.unwrap();
        for seconds in [5, 20] {
            let given = Duration::from_secs(seconds);
            client.call_within(Method::Read, given).await.unwrap();
        }
        let sent: Vec<Duration> = replica
            .seen()
            .iter()
            .map(crate::deadlines::timeout)
            .collect();
        let within = |seconds: u64, sent: Duration| {
            sent <= Duration::from_secs(seconds) && sent > Duration::from_secs(seconds - 5)
        };
        assert!(
            within(10, sent[0]),
            "{sent:?}: the config's, without the caller's"
        );
        assert!(
            within(5, sent[1]),
            "{sent:?}: the caller's, which is shorter"
        );
        assert!(
            within(10, sent[2]),
            "{sent:?}: the config's, which is shorter"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_that_a_config_gives_ends_a_call() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        replica.hold();
        let client = client(&replica, &config(None, json!({"timeout": "0.2s"})));
        let status = client.call(Method::Read).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_makes_calls_wait_for_a_replica_unless_they_say_otherwise() {
    bounded(async {
        let mut replica = Replica::new();
        let fields = json!({"waitForReady": true});
        let client = client(&replica, &config(Some(Method::Read), fields));
        let mut hasty = Request::new(message("hasty"));
        hasty.extensions_mut().insert(WaitForReady(false));
        let status = client.unary(Method::Read, hasty).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        let status = client.call(Method::Add).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");

        let waiting = tokio::spawn(async move { client.call(Method::Read).await });
        replica.start().await;
        waiting.await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_too_large_is_not_sent() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let fields = json!({"maxRequestMessageBytes": 1_000});
        let client = client(&replica, &config(None, fields));
        let small = Request::new(message(vec![1; 900]));
        client.unary(Method::Add, small).await.unwrap();

        let large = Request::new(message(vec![1; 1_000]));
        let status = client.unary(Method::Add, large).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        assert_eq!(replica.started(), 1, "the large one was not sent");

        let messages = stream::iter([1, 1_000].map(|length| message(vec![1; length])));
        let status = client.import(messages).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        wait_until("the import is cancelled, if it began", || {
            replica.running() == 0
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_is_too_large_ends_its_call() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let fields = json!({"maxResponseMessageBytes": 1_000});
        let client = client(&replica, &config(None, fields));
        let request = |length: usize| {
            Request::new(Message {
                number: 3,
                payload: vec![1; length].into(),
            })
        };
        client.unary(Method::Read, request(900)).await.unwrap();
        let status = client.unary(Method::Read, request(1_000)).await;
        assert_eq!(status.unwrap_err().code(), Code::ResourceExhausted);

        replica.hold();
        let mut messages = client.watch(request(1_000)).await.unwrap().into_inner();
        let status = messages.message().await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        wait_until("the stream is cancelled", || replica.running() == 0).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configs_retry_policy_holds_for_its_methods_whether_or_not_they_are_idempotent() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let policy = json!({
            "maxAttempts": 2,
            "initialBackoff": "0.001s",
            "maxBackoff": "0.001s",
            "backoffMultiplier": 1,
            "retryableStatusCodes": ["ABORTED"],
        });
        let client = client(
            &replica,
            &config(Some(Method::Add), json!({"retryPolicy": policy})),
        );
        for (method, code, attempts) in [
            (Method::Add, Code::Aborted, 2),
            (Method::Add, Code::Unavailable, 1),
            (Method::Read, Code::Aborted, 1),
            (Method::Read, Code::Unavailable, 4),
        ] {
            let before = replica.started();
            replica.refuse(10, code);
            let status = client.call(method).await.unwrap_err();
            assert_eq!(status.code(), code);
            assert_eq!(replica.started() - before, attempts, "{method:?} {code:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_too_many_calls_fail_nothing_is_sent_again() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        // Of 4 tokens 2 may be spent on failures; each success gives half of one back.
        let throttling = r#"{"retryThrottling": {"maxTokens": 4, "tokenRatio": 0.5}}"#;
        let client = client(&replica, throttling);
        replica.refuse(3, Code::Unavailable);
        client.call(Method::Read).await.unwrap_err();
        assert_eq!(
            replica.started(),
            2,
            "the second failure leaves half of the tokens"
        );
        client.call(Method::Read).await.unwrap_err();
        assert_eq!(replica.started(), 3, "the third is not retried at all");
        // 1 token is left; with 3 successes it is 2.5, and the next failure leaves 1.5.
        for _ in 0..3 {
            client.call(Method::Read).await.unwrap();
        }
        let before = replica.started();
        replica.refuse(1, Code::Unavailable);
        client.call(Method::Read).await.unwrap_err();
        assert_eq!(
            replica.started() - before,
            1,
            "1.5 tokens are less than half"
        );
        for _ in 0..5 {
            client.call(Method::Read).await.unwrap();
        }
        replica.refuse(1, Code::Unavailable);
        client.call(Method::Read).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_config_chooses_the_policy_and_the_health_check() {
    bounded(async {
        let replicas = replicas::<3>().await;
        for (place, replica) in replicas.iter().enumerate() {
            replica.says(if place == 0 {
                Health::NotServing
            } else {
                Health::Serving
            });
        }
        let config = json!({
            "loadBalancingConfig": [{"something_new": {}}, {"round_robin": {}}],
            "healthCheckConfig": {"serviceName": "echo.v1.EchoService"},
        });
        let channel = to(&replicas)
            .service_config(&config.to_string())
            .connect()
            .unwrap();
        ready(&channel, 2).await;
        let tally = burst(&channel, Method::Add, 4, 100).await;
        assert_eq!(tally.answered.into_values().collect::<Vec<_>>(), [50, 50]);

        let config = json!({"loadBalancingConfig": [{"pick_first": {}}]});
        let channel = to(&replicas)
            .service_config(&config.to_string())
            .connect()
            .unwrap();
        let tally = burst(&channel, Method::Add, 4, 100).await;
        assert_eq!(tally.answered.into_values().collect::<Vec<_>>(), [100]);
    })
    .await;
}
