//! Which replica gets a call, under each policy, and when the policy changes.

use grpc_channel::resolver::{Endpoint, Publisher, Resolve};
use grpc_channel::{Channel, Policy};

use crate::echo::Method;
use crate::load::{Load, burst};
use crate::replica::{Replica, builder, ready, replicas, to};
use crate::{bounded, wait_until};

/// Gives these endpoints, with their weights.
pub(crate) struct Given(pub(crate) Vec<Endpoint>);

impl Resolve for Given {
    async fn run(self, publisher: Publisher) {
        publisher.publish(Ok(self.0)).await;
    }
}

fn weighted(replicas: &[Replica], weights: [u32; 3]) -> Channel {
    let endpoints = replicas
        .iter()
        .zip(weights)
        .map(|(replica, weight)| Endpoint::new(replica.address).with_weight(weight));
    let builder = builder("dns:///echo.test:1").policy(Policy::WeightedRoundRobin);
    builder.connect_with(Given(endpoints.collect())).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn least_request_avoids_a_replica_whose_calls_hang() {
    bounded(async {
        let replicas = replicas::<2>().await;
        replicas[0].hold();
        let policy = Policy::LeastRequest { choice_count: 10 };
        let channel = to(&replicas).policy(policy).connect().unwrap();
        let load = Load::start(&channel, Method::Add, 20);
        // In turn, every worker would come to the first replica within 40 calls.
        load.answers(500).await;
        assert!(replicas[0].running() < 20);
        replicas[0].release();
        let tally = load.stop().await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn least_request_uses_every_replica() {
    bounded(async {
        let replicas = replicas::<3>().await;
        let policy = Policy::LeastRequest { choice_count: 2 };
        let channel = to(&replicas).policy(policy).connect().unwrap();
        let tally = burst(&channel, Method::Read, 10, 3_000).await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        assert_eq!(tally.answered.len(), 3);
        assert!(
            tally.answered.values().all(|calls| *calls > 500),
            "{tally:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_spread_in_proportion_to_the_weights() {
    bounded(async {
        let replicas = replicas::<3>().await;
        let channel = weighted(&replicas, [1, 2, 3]);
        let tally = burst(&channel, Method::Read, 10, 6_000).await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        for (replica, share) in replicas.iter().zip([1_000, 2_000, 3_000]) {
            let calls = tally.answered[&replica.name];
            assert!(calls.abs_diff(share) <= 5, "{calls} is not {share}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_weights_are_as_even_as_round_robin() {
    bounded(async {
        let replicas = replicas::<3>().await;
        let channel = weighted(&replicas, [7; 3]);
        let tally = burst(&channel, Method::Read, 10, 1_000).await;
        let mut counts: Vec<u64> = tally.answered.into_values().collect();
        counts.sort_unstable();
        assert_eq!(counts, [333, 333, 334]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changing_the_policy_under_load_fails_no_call_and_keeps_what_both_need() {
    bounded(async {
        let replicas = replicas::<3>().await;
        let channel = to(&replicas).connect().unwrap();
        ready(&channel, 3).await;
        let load = Load::start(&channel, Method::Add, 8);
        let open = || {
            replicas
                .iter()
                .map(Replica::open_connections)
                .sum::<usize>()
        };
        for _ in 0..3 {
            load.answers(100).await;
            let policy = Policy::PickFirst { shuffle: false };
            channel.set_policy(policy).unwrap();
            wait_until("one connection is left", || open() == 1).await;
            load.answers(100).await;
            channel.set_policy(Policy::WeightedRoundRobin).unwrap();
            ready(&channel, 3).await;
            load.answers(100).await;
            let policy = Policy::LeastRequest { choice_count: 2 };
            channel.set_policy(policy).unwrap();
            load.answers(100).await;
            channel.set_policy(Policy::RoundRobin).unwrap();
        }
        let tally = load.stop().await;
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        let accepted: Vec<usize> = replicas.iter().map(Replica::accepted_connections).collect();
        assert_eq!(
            accepted,
            [1, 4, 4],
            "the first is kept, the others come back"
        );
        let tally = burst(&channel, Method::Read, 4, 300).await;
        assert!(
            tally.answered.values().all(|calls| *calls == 100),
            "{tally:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_choice_count_out_of_its_range_is_refused() {
    let replica = Replica::new();
    for choice_count in [0, 1, 11] {
        let policy = Policy::LeastRequest { choice_count };
        let error = to([&replica]).policy(policy.clone()).connect().unwrap_err();
        let expected = "the setting policy is not valid: expected a choice_count from 2 to 10";
        assert_eq!(error.to_string(), expected);
        let channel = to([&replica]).connect().unwrap();
        assert!(channel.set_policy(policy).is_err());
    }
}
