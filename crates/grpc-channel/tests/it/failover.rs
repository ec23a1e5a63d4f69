//! Targets of different priority: which one is used, and what calls notice when that changes.

mod failures;
mod names;

use std::time::Duration;

use grpc_channel::{Builder, Channel, Policy, State, Stats};

use crate::dns::{Answer, Server};
use crate::echo::{Client, Health, Method, served_by};
use crate::lifetime::tasks;
use crate::load::{Load, burst};
use crate::loss::BACKOFF;
use crate::raw::Listener;
use crate::replica::{PORT, Replica, builder, replicas, to};
use crate::{bounded, wait_until};

/// So short that a test need not wait.
const TIMEOUT: Duration = Duration::from_millis(200);

/// A target of fixed addresses.
fn target<'a>(replicas: impl IntoIterator<Item = &'a Replica>) -> String {
    let addresses = replicas.into_iter().map(|replica| replica.address);
    let addresses: Vec<String> = addresses.map(|address| address.to_string()).collect();
    format!("ipv4:{}", addresses.join(","))
}

/// A builder to replicas and, when these fail, to others.
fn with_fallback(first: &[Replica], second: &[Replica]) -> Builder {
    to(first).fallback(target(second)).backoff(BACKOFF)
}

/// The place of the target in use.
fn used(stats: &Stats) -> Option<usize> {
    stats.targets().position(|target| target.in_use)
}

async fn uses(channel: &Channel, place: impl Into<Option<usize>>) {
    let place = place.into();
    wait_until(format!("target {place:?} is used"), || {
        used(&channel.stats()) == place
    })
    .await;
}

/// Calls once and tells who answered.
async fn answers(channel: &Channel) -> String {
    let answer = Client::new(channel).call(Method::Add).await;
    served_by(&answer.unwrap())
}

fn name(replica: &Replica) -> String {
    replica.address.ip().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_dies_and_comes_back_under_load_fails_no_idempotent_call() {
    const WORKERS: u64 = 8;
    /// Enough to tell those apart that were on their way before.
    const CALLS: u64 = 300;
    bounded(async {
        let (mut first, second) = (replicas::<2>().await, replicas::<2>().await);
        let channel = with_fallback(&first, &second).connect().unwrap();
        let workers = usize::try_from(WORKERS).unwrap();
        let load = Load::start(&channel, Method::Read, workers);
        let started = |replicas: &[Replica]| replicas.iter().map(|r| r.started()).sum::<u64>();
        load.answers(CALLS).await;
        for replica in &second {
            assert_eq!(replica.accepted_connections(), 0, "it is not needed yet");
        }
        for _ in 0..3 {
            // A call whose response has begun cannot be repeated, so let none begin.
            for replica in &first {
                replica.hold();
            }
            wait_until("every worker waits at the first target", || {
                first[0].running() + first[1].running() == workers
            })
            .await;
            for replica in &mut first {
                replica.kill().await;
                replica.release();
            }
            uses(&channel, 1).await;
            let before = started(&second);
            load.answers(CALLS).await;
            assert!(started(&second) + WORKERS >= before + CALLS);
            for replica in &mut first {
                replica.start().await;
            }
            uses(&channel, 0).await;
            let before = started(&first);
            load.answers(CALLS).await;
            assert!(started(&first) + WORKERS >= before + CALLS);
        }
        let tally = load.stop().await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        for replica in &second {
            assert_eq!(replica.accepted_connections(), 1, "it was kept meanwhile");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_drains_fails_no_call_of_any_method_without_a_retry_policy() {
    bounded(async {
        let (mut first, second) = (replicas::<2>().await, replicas::<1>().await);
        let builder = with_fallback(&first, &second).retry(None);
        let channel = builder.connect().unwrap();
        let load = Load::start(&channel, Method::Add, 8);
        for _ in 0..3 {
            load.answers(300).await;
            for replica in &mut first {
                replica.drain().await;
            }
            uses(&channel, 1).await;
            load.answers(300).await;
            for replica in &mut first {
                replica.start().await;
            }
            uses(&channel, 0).await;
        }
        let tally = load.stop().await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_in_flight_on_a_fallback_finish_there_and_then_it_is_let_go() {
    bounded(async {
        let (mut first, second) = ([Replica::new()], replicas::<1>().await);
        let channel = with_fallback(&first, &second)
            .fallback_retention(Duration::from_millis(1))
            .connect()
            .unwrap();
        second[0].hold();
        let held = tokio::spawn({
            let channel = channel.clone();
            async move { answers(&channel).await }
        });
        wait_until("the call is at the fallback", || second[0].running() == 1).await;
        first[0].start().await;
        uses(&channel, 0).await;
        assert_eq!(answers(&channel).await, name(&first[0]));
        wait_until("the fallback is let go", || {
            channel.stats().fallbacks[0].state == State::Idle
        })
        .await;
        assert!(channel.stats().fallbacks[0].subchannels.is_empty());
        assert_eq!(second[0].open_connections(), 1, "a call is still there");
        second[0].release();
        assert_eq!(held.await.unwrap(), name(&second[0]));
        second[0].closed().await;

        first[0].kill().await;
        uses(&channel, 1).await;
        assert_eq!(answers(&channel).await, name(&second[0]), "it begins anew");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_silent_is_given_up_when_its_time_is_over() {
    bounded(async {
        let second = replicas::<1>().await;
        let silent = Listener::bind().await;
        let dns = Server::start().await;
        dns.answer(Answer::Silence);
        for silent in [silent.target(), dns.target("echo.test.", PORT)] {
            let channel = builder(&silent)
                .fallback(target(&second))
                .failover_timeout(TIMEOUT)
                .connect()
                .unwrap();
            assert_eq!(used(&channel.stats()), Some(0), "{silent} has its time");
            assert_eq!(answers(&channel).await, name(&second[0]));
            assert_eq!(used(&channel.stats()), Some(1));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_whose_replicas_do_not_serve_has_failed_until_they_do() {
    bounded(async {
        let (first, second) = (replicas::<2>().await, replicas::<1>().await);
        for replica in first.iter().chain(&second) {
            replica.says(Health::Serving);
        }
        let builder = with_fallback(&first, &second).health_check("echo.v1.EchoService");
        let channel = builder.connect().unwrap();
        let load = Load::start(&channel, Method::Add, 4);
        load.answers(50).await;
        for replica in &first {
            replica.says(Health::NotServing);
        }
        uses(&channel, 1).await;
        load.answers(50).await;
        for replica in &first {
            assert_eq!(replica.open_connections(), 1, "it stays connected");
            replica.says(Health::Serving);
        }
        uses(&channel, 0).await;
        load.answers(50).await;
        let tally = load.stop().await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_without_addresses_is_given_up_at_once_and_used_as_soon_as_it_has_some() {
    bounded(async {
        let (first, second) = (replicas::<1>().await, replicas::<1>().await);
        let (dns, lower) = (Server::start().await, Server::start().await);
        lower.answer(Answer::addresses([second[0].address.ip()]));
        let interval = Duration::from_millis(50);
        let channel = builder(dns.target("echo.test.", PORT))
            .fallback(lower.target("echo.test.", PORT))
            .dns_interval(interval, interval)
            .connect()
            .unwrap();
        assert_eq!(answers(&channel).await, name(&second[0]));
        let stats = channel.stats();
        assert!(stats.resolve_error.is_some());
        assert_eq!(stats.state, State::TransientFailure);
        assert_eq!(stats.fallbacks[0].state, State::Ready);

        dns.answer(Answer::addresses([first[0].address.ip()]));
        uses(&channel, 0).await;
        assert_eq!(answers(&channel).await, name(&first[0]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fallback_that_is_not_needed_is_neither_resolved_nor_connected_to() {
    bounded(async {
        let (first, second) = (replicas::<1>().await, replicas::<1>().await);
        let dns = Server::start().await;
        dns.answer(Answer::addresses([second[0].address.ip()]));
        let channel = to(&first)
            .fallback(dns.target("echo.test.", PORT))
            .connect()
            .unwrap();
        burst(&channel, Method::Add, 2, 20).await;
        assert_eq!(dns.queries(), 0);
        assert_eq!(second[0].accepted_connections(), 0);
        let stats = channel.stats();
        assert_eq!(stats.fallbacks[0].state, State::Idle);
        assert_eq!(stats.fallbacks[0].target, dns.target("echo.test.", PORT));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_policy_holds_for_every_target() {
    bounded(async {
        let (mut first, second) = (replicas::<1>().await, replicas::<3>().await);
        let channel = with_fallback(&first, &second).connect().unwrap();
        answers(&channel).await;
        channel
            .set_policy(Policy::PickFirst { shuffle: false })
            .unwrap();
        first[0].kill().await;
        uses(&channel, 1).await;
        let tally = burst(&channel, Method::Add, 2, 30).await;
        assert_eq!(tally.answered.len(), 1, "one connection has all calls");
        channel.set_policy(Policy::RoundRobin).unwrap();
        wait_until("all replicas of the fallback are READY", || {
            let stats = &channel.stats().fallbacks[0];
            let mut replicas = stats.subchannels.iter();
            stats.subchannels.len() == 3 && replicas.all(|s| s.state == State::Ready)
        })
        .await;
        let tally = burst(&channel, Method::Add, 2, 30).await;
        let shares: Vec<u64> = tally.answered.into_values().collect();
        assert_eq!(shares, [10; 3], "the spread is as even as with one target");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_last_clone_ends_every_task_of_every_target() {
    bounded(async {
        let (mut first, second) = (replicas::<2>().await, replicas::<2>().await);
        let dns = Server::start().await;
        dns.answer(Answer::addresses(second.iter().map(|r| r.address.ip())));
        let before = tasks();
        let channel = to(&first)
            .fallback(dns.target("echo.test.", PORT))
            .backoff(BACKOFF)
            .connect()
            .unwrap();
        answers(&channel).await;
        first[0].kill().await;
        first[1].kill().await;
        uses(&channel, 1).await;
        answers(&channel).await;
        first[0].start().await;
        uses(&channel, 0).await;
        answers(&channel).await;
        drop(channel);
        for replica in first.iter().chain(&second) {
            replica.closed().await;
        }
        wait_until("every task has ended", || tasks() <= before).await;
    })
    .await;
}
