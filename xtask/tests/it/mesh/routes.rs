//! Where calls go: the weights, the header, the mirror; and who balances them.

use super::replica::{Answer, Double};
use super::world::{Planned, World, call, tally, version};

/// How many calls a share is measured with.
const CALLS: usize = 4_000;

/// A count of `n` independent draws with probability `p` is within five standard deviations of its
/// mean but for one time in 1.7 million: a test that fails has found something.
pub(super) fn assert_share(count: usize, n: usize, p: f64, what: &str) {
    #[expect(clippy::cast_precision_loss, reason = "counts of a test are small")]
    let (count, n) = (count as f64, n as f64);
    let (mean, deviation) = (n * p, (n * p * (1.0 - p)).sqrt());
    assert!(
        (count - mean).abs() <= 5.0 * deviation,
        "{what}: {count} of {n}, and not {mean} ± {:.0}",
        5.0 * deviation
    );
}

/// The share of v2 in a route, as the manifest says it.
fn share(world: &World, route: &str) -> f64 {
    let weight = |number: usize| {
        let pointer = format!("/route/{number}/weight");
        world.rule(route, &pointer).as_f64().unwrap()
    };
    weight(1) / (weight(0) + weight(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_split_over_the_versions_as_the_weights_say() {
    let Some((world, replicas)) = World::start(&[]).await else {
        return;
    };
    assert_eq!(replicas.len(), 4, "three of v1 and one of v2");
    let client = world.client(true).await;
    let answers = tally(CALLS, async || {
        let response = call(&client, "ListUsers", &[]).await.unwrap();
        let replica = response.metadata().get("x-served-by").unwrap();
        (version(&response), replica.to_str().unwrap().to_owned())
    })
    .await;
    let of_v2: usize = answers
        .iter()
        .filter(|((version, _), _)| version == "v2")
        .map(|(_, count)| count)
        .sum();
    println!("{CALLS} calls through Envoy: {answers:?}");
    assert_share(of_v2, CALLS, share(&world, "reads"), "x-version: v2");
    assert_eq!(answers.len(), 4, "every replica gets calls: {answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_holds_one_connection_and_leaves_balancing_to_the_mesh() {
    for (mesh, connections) in [(true, 1), (false, 2)] {
        let Some((world, _replicas)) = World::start(&[]).await else {
            return;
        };
        let client = world.client(mesh).await;
        let answers = tally(200, async || {
            version(&call(&client, "ListUsers", &[]).await.unwrap())
        })
        .await;
        assert_eq!(answers.values().sum::<usize>(), 200);
        let made = world.envoy.counter("http.mesh.downstream_cx_total").await;
        assert_eq!(
            made, connections,
            "of two addresses, mesh = {mesh} uses {connections}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_with_the_header_go_to_v2_and_others_as_before() {
    let Some((world, _replicas)) = World::start(&["canary-header"]).await else {
        return;
    };
    let client = world.client(true).await;
    for headers in [&[("x-canary", "true")][..], &[("x-canary", "false")], &[]] {
        let answers = tally(400, async || {
            version(&call(&client, "ListUsers", headers).await.unwrap())
        })
        .await;
        if headers == [("x-canary", "true")] {
            assert_eq!(answers["v2"], 400, "{answers:?}");
        } else {
            let of_v2 = answers.get("v2").copied().unwrap_or_default();
            let share = share(&world, "reads");
            assert_share(of_v2, 400, share, &format!("v2, with {headers:?}"));
        }
    }
    for method in ["CreateUser", "DeleteUser"] {
        let header = [("x-canary", "true")];
        let refused = call(&client, method, &header).await.unwrap_err();
        assert_eq!(
            refused.metadata().get("x-version").unwrap(),
            "v2",
            "{method}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shadow_sees_every_read_and_its_answers_go_nowhere() {
    const READS: usize = 400;
    let (v1, v2) = (
        Double::start(Answer::Version("v1")).await,
        Double::start(Answer::Version("v2")).await,
    );
    let world = World::with(&["mirror"], async |pod: &Planned| {
        match pod.version.as_str() {
            "v1" => v1.address,
            _ => v2.address,
        }
    });
    let Some(world) = world.await else {
        return;
    };
    let client = world.client(true).await;
    let answers = tally(READS, async || {
        version(&call(&client, "ListUsers", &[]).await.unwrap())
    })
    .await;
    let of_v2 = answers.get("v2").copied().unwrap_or_default();
    assert_share(of_v2, READS, share(&world, "reads"), "answers of v2");
    assert_eq!(v1.calls(), answers["v1"] as u64, "v1 gets no shadows");

    // The shadows are sent beside the calls and may arrive after their answers.
    let expected = (READS + of_v2) as u64;
    let arrived = async {
        while v2.calls() < expected {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), arrived)
        .await
        .expect("v2 must see all reads, and those that are its own");

    // A write is not made twice: v2 has the same database.
    let before = v1.calls() + v2.calls();
    for _ in 0..50 {
        call(&client, "CreateUser", &[]).await.unwrap();
    }
    assert_eq!(
        v1.calls() + v2.calls(),
        before + 50,
        "writes have no shadow"
    );
    assert!(v2.calls() >= expected);
}
