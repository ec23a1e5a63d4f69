//! No replica can be reached: who waits, who fails, and what the failure says.

use std::time::Duration;

use grpc_channel::{Channel, WaitForReady};
use tonic::{Code, Request};

use crate::dns::{Answer, Server};
use crate::echo::{Client, Method, message};
use crate::loss::BACKOFF;
use crate::raw::Listener;
use crate::replica::{PORT, Replica, builder, to};
use crate::{bounded, wait_until};

async fn unavailable(channel: &Channel) -> String {
    let status = Client::new(channel).call(Method::Read).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    status.message().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_fails_with_the_resolvers_own_words() {
    bounded(async {
        let dns = Server::start().await;
        for (answer, words) in [
            (
                Answer::NxDomain,
                "the name echo.test. does not exist (NXDOMAIN)",
            ),
            (Answer::Empty, "the name echo.test. has no addresses"),
            (
                Answer::ServFail,
                "echo.test. could not be resolved: error response: Server Failure",
            ),
            (
                Answer::Silence,
                "no DNS server answered for echo.test. within 300ms",
            ),
        ] {
            dns.answer(answer);
            let target = dns.target("echo.test.", PORT);
            let channel = builder(&target)
                .dns_timeout(Duration::from_millis(300))
                .connect()
                .unwrap();
            let said = unavailable(&channel).await;
            assert_eq!(said, format!("no replica of {target} is ready: {words}"));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_waits_succeeds_when_the_name_gives_an_address() {
    bounded(async {
        let mut replica = Replica::new();
        replica.start().await;
        let dns = Server::start().await;
        let (min, max) = (Duration::from_millis(50), Duration::from_millis(100));
        let to_name = || builder(dns.target("echo.test.", PORT)).dns_interval(min, max);
        let patient = to_name().wait_for_ready(true).connect().unwrap();
        let hasty = to_name().connect().unwrap();

        let by_setting = tokio::spawn({
            let client = Client::new(&patient);
            async move { client.call(Method::Add).await }
        });
        let by_call = tokio::spawn({
            let client = Client::new(&hasty);
            let mut request = Request::new(message("hello"));
            request.extensions_mut().insert(WaitForReady(true));
            async move { client.unary(Method::Add, request).await }
        });
        let said = unavailable(&hasty).await;
        assert!(said.contains("NXDOMAIN"), "{said}");
        let mut request = Request::new(message("hello"));
        request.extensions_mut().insert(WaitForReady(false));
        let status = Client::new(&patient).unary(Method::Add, request).await;
        assert_eq!(status.unwrap_err().code(), Code::Unavailable);

        assert!(!by_setting.is_finished() && !by_call.is_finished());
        dns.answer(Answer::addresses([replica.address.ip()]));
        by_setting.await.unwrap().unwrap();
        by_call.await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_names_each_address_with_its_cause_and_what_comes_next() {
    bounded(async {
        let replicas = [Replica::new(), Replica::new()];
        let channel = to(&replicas).connect().unwrap();
        let said = unavailable(&channel).await;
        for replica in &replicas {
            let cause = format!(
                "{} connection refused (1 attempt, next in ",
                replica.address
            );
            assert!(said.contains(&cause), "{said}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_names_five_addresses_and_counts_the_others() {
    bounded(async {
        let replicas: [Replica; 7] = std::array::from_fn(|_| Replica::new());
        let channel = to(&replicas).connect().unwrap();
        let said = unavailable(&channel).await;
        assert_eq!(said.matches("connection refused").count(), 5, "{said}");
        assert!(said.ends_with("; and 2 more"), "{said}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_does_not_wait_for_an_address_that_failed_to_be_tried_again() {
    bounded(async {
        let listener = Listener::bind().await;
        let channel = builder(listener.target())
            .connect_timeout(Duration::from_mins(5))
            .backoff(BACKOFF)
            .connect()
            .unwrap();
        drop(listener.socket().await);
        // The second attempt gets a connection that never answers.
        let _silent = listener.socket().await;
        let said = unavailable(&channel).await;
        assert!(said.ends_with("(connecting again)"), "{said}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_waits_is_served_as_soon_as_a_replica_is_back() {
    bounded(async {
        let mut replica = Replica::new();
        let channel = to([&replica])
            .backoff(BACKOFF)
            .wait_for_ready(true)
            .connect()
            .unwrap();
        let call = tokio::spawn({
            let client = Client::new(&channel);
            async move { client.call(Method::Add).await }
        });
        wait_until("an attempt has failed", || {
            channel
                .stats()
                .subchannels
                .first()
                .is_some_and(|subchannel| {
                    subchannel.last_disconnect == Some(grpc_channel::Disconnect::Refused)
                })
        })
        .await;
        assert!(!call.is_finished());
        replica.start().await;
        call.await.unwrap().unwrap();
    })
    .await;
}
