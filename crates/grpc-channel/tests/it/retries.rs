//! Calls that a policy sends again.

use futures_util::stream;
use grpc_channel::RetryPolicy;
use tonic::Code;

use crate::bounded;
use crate::echo::{Client, Method, message};
use crate::replica::{replicas, to};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idempotent_call_that_is_refused_is_sent_again_and_says_how_often() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        replica.refuse(2, Code::Unavailable);
        let channel = to([&replica]).connect().unwrap();
        Client::new(&channel).call(Method::Read).await.unwrap();
        let seen = replica.seen();
        let previous: Vec<Option<&str>> = seen
            .iter()
            .map(|seen| seen.header("grpc-previous-rpc-attempts"))
            .collect();
        assert_eq!(previous, [None, Some("1"), Some("2")]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_call_that_is_refused_is_not_sent_again() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let channel = to([&replica]).connect().unwrap();
        let without_policy = to([&replica]).retry(None).connect().unwrap();
        for (channel, method, code) in [
            (&channel, Method::Add, Code::Unavailable),
            (&channel, Method::Read, Code::Internal),
            (&without_policy, Method::Read, Code::Unavailable),
        ] {
            let before = replica.started();
            replica.refuse(1, code);
            let status = Client::new(channel).call(method).await.unwrap_err();
            assert_eq!(status.code(), code);
            assert_eq!(status.message(), "refused as the test asked");
            assert_eq!(replica.started(), before + 1, "{method:?} is sent once");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_sent_no_more_often_than_the_policy_allows() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        replica.refuse(10, Code::Aborted);
        let policy = RetryPolicy {
            max_attempts: 3,
            retryable_codes: vec![Code::Aborted],
            ..RetryPolicy::default()
        };
        let channel = to([&replica]).retry(policy).connect().unwrap();
        let status = Client::new(&channel).call(Method::Read).await.unwrap_err();
        assert_eq!(status.code(), Code::Aborted);
        assert_eq!(replica.started(), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_requests_is_sent_again_if_it_was_kept() {
    bounded(async {
        let [replica] = replicas::<1>().await;
        let channel = to([&replica]).connect().unwrap();
        let client = Client::new(&channel);

        replica.refuse(1, Code::Unavailable);
        let messages = ["one", "two", "three"].map(message);
        let answer = client.import(stream::iter(messages)).await.unwrap();
        assert_eq!(answer.get_ref().number, 3);
        assert_eq!(replica.started(), 2);

        replica.refuse(1, Code::Unavailable);
        let too_much = (0..4).map(|_| message(vec![1; 100 << 10]));
        let status = client.import(stream::iter(too_much)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(replica.started(), 3, "what was not kept is sent once");
    })
    .await;
}
