//! The order in which a process stops.

use std::time::Duration;

use service_runtime::drain::{self, Config, Outcome, Process};
use service_runtime::health::{OVERALL, Reporter, ServingStatus};
use service_runtime::readiness::{self, Readiness};
use service_runtime::stop::{self, Cause, Stopper};
use tokio::task::JoinHandle;

use crate::subject::{Gate, SOON, asking, connect, on_a_free_port, soon, start};

struct Subject {
    address: std::net::SocketAddr,
    gate: Gate,
    health: Reporter,
    stopper: Stopper,
    process: JoinHandle<Outcome>,
    flushed: tokio::sync::oneshot::Receiver<()>,
}

fn process(config: Config) -> Subject {
    let (server, gate) = start(on_a_free_port());
    let address = server.local_address();
    let health = Reporter::new([]);
    let (readiness, probes) = Readiness::start(&readiness::Config::default(), vec![], &health);
    let (stopper, stop) = stop::channel();
    let (flush, flushed) = tokio::sync::oneshot::channel();
    let reporter = health.clone();
    let process = tokio::spawn(async move {
        let process = Process {
            health: &reporter,
            readiness: &readiness,
            server,
            stop,
        };
        let outcome = drain::serve(&config, process, async {
            let _ = flush.send(());
        })
        .await;
        drop(probes);
        outcome
    });
    Subject {
        address,
        gate,
        health,
        stopper,
        process,
        flushed,
    }
}

#[tokio::test]
async fn calls_are_accepted_until_the_notice_is_over() {
    let mut subject = process(Config {
        notice: Duration::from_hours(1),
        deadline: SOON,
    });
    let mut client = connect(subject.address).await;
    assert_eq!(subject.health.status(OVERALL), Some(ServingStatus::Serving));
    subject.stopper.stop(Cause::Caller);
    soon("NOT_SERVING", async {
        while subject.health.status(OVERALL) != Some(ServingStatus::NotServing) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    client
        .check(asking(""))
        .await
        .expect("old connections are still served");
    connect(subject.address)
        .await
        .check(asking(""))
        .await
        .expect("new connections are still accepted");
    assert!(
        subject.flushed.try_recv().is_err(),
        "telemetry is flushed last"
    );

    // The second request does not wait for the notice.
    subject.stopper.stop(Cause::Caller);
    let outcome = soon("the end", subject.process).await.unwrap();
    assert_eq!(outcome, Outcome::Aborted);
    soon("the flush", subject.flushed).await.unwrap();
}

#[tokio::test]
async fn a_draining_process_fails_no_call() {
    let subject = process(Config {
        notice: Duration::ZERO,
        deadline: SOON,
    });
    let mut client = connect(subject.address).await;
    let call = tokio::spawn(async move { client.check(asking("slow")).await });
    subject.gate.reached_by(1).await;
    subject.stopper.stop(Cause::Terminate);
    soon("the listener's end", async {
        while tokio::net::TcpStream::connect(subject.address)
            .await
            .is_ok()
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    subject.gate.open();
    call.await.unwrap().expect("the call in flight must finish");
    let outcome = soon("the end", subject.process).await.unwrap();
    assert_eq!(outcome, Outcome::Clean);
}

#[tokio::test]
async fn the_deadline_is_told_from_a_clean_end() {
    let subject = process(Config {
        notice: Duration::ZERO,
        deadline: Duration::from_millis(50),
    });
    let mut client = connect(subject.address).await;
    let call = tokio::spawn(async move { client.check(asking("slow")).await });
    subject.gate.reached_by(1).await;
    subject.stopper.stop(Cause::Terminate);
    let outcome = soon("the end", subject.process).await.unwrap();
    assert_eq!(outcome, Outcome::DeadlineExceeded);
    call.await.unwrap().expect_err("the call must be cut off");
}

#[tokio::test]
async fn a_second_request_ends_the_drain_of_calls() {
    let subject = process(Config {
        notice: Duration::ZERO,
        deadline: Duration::from_hours(1),
    });
    let mut client = connect(subject.address).await;
    let call = tokio::spawn(async move { client.check(asking("slow")).await });
    subject.gate.reached_by(1).await;
    subject.stopper.stop(Cause::Terminate);
    subject.stopper.stop(Cause::Terminate);
    let outcome = soon("the end", subject.process).await.unwrap();
    assert_eq!(outcome, Outcome::Aborted);
    call.await.unwrap().expect_err("the call must be cut off");
}
