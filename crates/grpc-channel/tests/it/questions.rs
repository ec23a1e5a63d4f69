//! A target that is asked for once, by hand.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use grpc_channel::resolver::{Question, Resolution, ResolveError, Source};

use crate::bounded;
use crate::dns::{Answer, Server, Service};

const NAME: &str = "echo-headless.test.";
const BOUND: Duration = Duration::from_secs(5);

async fn ask(target: &str) -> Result<Resolution, ResolveError> {
    let question = Question::about(target).expect("the target is valid");
    question.ask(BOUND).await
}

fn addresses(resolution: &Resolution) -> Vec<String> {
    let endpoints = resolution.endpoints.iter();
    endpoints.map(|it| it.address.to_string()).collect()
}

#[tokio::test]
async fn a_name_gives_its_addresses_in_order_with_the_ttl_of_its_records() {
    bounded(async {
        let dns = Server::start().await;
        let ips = [3, 1, 2].map(|last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)));
        dns.answer(Answer::Addresses {
            ips: ips.to_vec(),
            ttl: 7,
        });
        let answer = ask(&dns.target(NAME, 50_051)).await.unwrap();
        let expected = ["10.0.0.1:50051", "10.0.0.2:50051", "10.0.0.3:50051"];
        assert_eq!(addresses(&answer), expected);
        assert_eq!(answer.ttl, Some(Duration::from_secs(7)));
        assert_eq!(answer.name.as_deref(), Some(NAME));
    })
    .await;
}

#[tokio::test]
async fn srv_records_give_hosts_and_ports() {
    bounded(async {
        let dns = Server::start().await;
        let address = "10.0.0.1:7000".parse().unwrap();
        dns.serve([Service::at("a.echo.test.", address)]);
        let answer = ask(&dns.srv_target("_grpc._tcp.echo.test.")).await.unwrap();
        assert_eq!(addresses(&answer), ["10.0.0.1:7000"]);
    })
    .await;
}

#[tokio::test]
async fn what_there_is_no_name_for_is_its_own_answer_and_has_no_ttl() {
    for (target, expected) in [
        (
            "ipv4:10.0.0.2:1,10.0.0.1:1",
            &["10.0.0.1:1", "10.0.0.2:1"][..],
        ),
        ("unix:///run/echo.sock", &["unix:/run/echo.sock"]),
    ] {
        let answer = ask(target).await.unwrap();
        assert_eq!(addresses(&answer), expected);
        assert_eq!((answer.ttl, answer.name), (None, None), "{target}");
    }
}

#[tokio::test]
async fn each_way_of_having_no_address_is_told_from_the_others() {
    bounded(async {
        let dns = Server::start().await;
        let target = dns.target(NAME, 50_051);
        let error = ask(&target).await.unwrap_err();
        assert!(matches!(error, ResolveError::NoSuchName { .. }), "{error}");
        dns.answer(Answer::Empty);
        let error = ask(&target).await.unwrap_err();
        assert!(matches!(error, ResolveError::NoAddresses { .. }), "{error}");
        dns.answer(Answer::Silence);
        let question = Question::about(&target).unwrap();
        let error = question.ask(Duration::from_millis(200)).await.unwrap_err();
        assert!(matches!(error, ResolveError::Timeout { .. }), "{error}");
    })
    .await;
}

#[test]
fn a_question_says_whom_it_asks_and_for_what() {
    for (target, expected) in [
        (
            "dns:///echo.test.:1",
            "the A and AAAA records of echo.test.",
        ),
        (
            "dns://10.0.0.1/echo:1",
            "the A and AAAA records of echo at 10.0.0.1:53",
        ),
        (
            "dns+srv:///_grpc._tcp.echo.test",
            "the SRV records of _grpc._tcp.echo.test",
        ),
        ("ipv4:10.0.0.1:1", "the target itself"),
    ] {
        let question = Question::about(target).unwrap();
        assert_eq!(question.source().to_string(), expected);
    }
    let question = Question::about("dns:///echo.test.:1").unwrap();
    assert_eq!(question.host(), "echo.test", "certificates know no dot");
    assert_eq!(
        Question::about("ipv4:10.0.0.1:1").unwrap().source(),
        Source::Target
    );
    assert!(Question::about("http://echo").unwrap_err().is_bad_target());
}
