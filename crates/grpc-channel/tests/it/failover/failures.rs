//! What a failure says of several targets.

use std::time::Duration;

use tonic::Code;

use super::{TIMEOUT, answers, name, target, used, uses};
use crate::bounded;
use crate::dns::Server;
use crate::echo::{Client, Method};
use crate::loss::BACKOFF;
use crate::raw::Listener;
use crate::replica::{PORT, Replica, builder, to};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_late_says_which_target_it_waited_for() {
    bounded(async {
        let [first, second] = [Listener::bind().await, Listener::bind().await];
        let channel = builder(first.target())
            .fallback(second.target())
            .failover_timeout(TIMEOUT)
            .connect()
            .unwrap();
        let client = Client::new(&channel);
        for (place, listener) in [&first, &second].into_iter().enumerate() {
            uses(&channel, place).await;
            let soon = TIMEOUT / 10;
            let late = client.call_within(Method::Add, soon).await.unwrap_err();
            assert_eq!(late.code(), Code::DeadlineExceeded);
            let expected = format!("it waited for a connection to {}", listener.target());
            assert!(late.message().contains(&expected), "{late:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_targets_have_failed_the_message_tells_of_each() {
    bounded(async {
        let (down, mut third) = ([Replica::new()], [Replica::new()]);
        let dns = Server::start().await;
        let channel = to(&down)
            .fallback(dns.target("echo.test.", PORT))
            .fallback(target(&third))
            .backoff(BACKOFF)
            .connect()
            .unwrap();
        let status = Client::new(&channel).call(Method::Add).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        let said = status.message();
        for (target, why) in [
            (target(&down), "connection refused"),
            (
                dns.target("echo.test.", PORT),
                "the name echo.test. does not exist (NXDOMAIN)",
            ),
            (target(&third), "connection refused"),
        ] {
            let clause = format!("no replica of {target} is ready: ");
            let (_, rest) = said.split_once(&clause).expect(said);
            let clause = rest.split("; no replica").next().unwrap();
            assert!(clause.contains(why), "{clause:?} tells {why:?}");
        }
        assert_eq!(used(&channel.stats()), None);

        let waiting = tokio::spawn({
            let patient = to(&down)
                .fallback(target(&third))
                .backoff(BACKOFF)
                .wait_for_ready(true);
            let patient = patient.connect().unwrap();
            async move { answers(&patient).await }
        });
        third[0].start().await;
        assert_eq!(waiting.await.unwrap(), name(&third[0]));
        uses(&channel, 2).await;
    })
    .await;
}

#[tokio::test]
async fn a_fallback_that_is_not_valid_is_an_error_that_says_which() {
    let error = builder("dns:///echo.test:50051")
        .fallback("dns:///echo.test:50052")
        .fallback("dns:///echo.test")
        .connect()
        .unwrap_err();
    assert!(error.is_bad_target());
    assert_eq!(error.to_string(), "fallback number 2 cannot be used");
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(
        source.to_string(),
        r#"the target "dns:///echo.test" is not valid: "echo.test" has no port; expected name:port"#
    );
    let zero = builder("dns:///echo.test:50051").failover_timeout(Duration::ZERO);
    let error = zero.connect().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the setting failover_timeout is not valid: expected more than 0 s"
    );
}
