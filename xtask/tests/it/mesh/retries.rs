//! How often a call is sent that fails: as often as the mesh says, and not as often again by the
//! client.

use tonic::Code;

use super::replica::{Answer, Double};
use super::world::{Planned, World, call};

/// How often every method is sent before it is given up, with all replicas failing.
async fn attempts(answer: Answer, mesh: bool, method: &str) -> Option<(u64, Code)> {
    let replica = Double::start(answer).await;
    let world = World::with(&[], async |_pod: &Planned| replica.address).await?;
    let client = world.client(mesh).await;
    let failed = call(&client, method, &[]).await.unwrap_err();
    Some((replica.calls(), failed.code()))
}

/// One attempt, and the retries of a route of the manifest.
fn allowed(route: &str) -> Option<u64> {
    let objects = super::render::objects("istio", &[], "")?;
    let service = objects.iter().find(|it| it["kind"] == "VirtualService")?;
    let mut routes = service["spec"]["http"].as_array()?.iter();
    let route = routes.find(|it| it["name"] == route)?;
    Some(1 + route["retries"]["attempts"].as_u64()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_fails_is_retried_by_the_mesh_alone() {
    let Some(allowed) = allowed("reads") else {
        return;
    };
    for (mesh, expected) in [(true, allowed), (false, 4 * allowed)] {
        let Some((attempts, code)) = attempts(Answer::Unavailable, mesh, "ListUsers").await else {
            return;
        };
        println!("UNAVAILABLE, mesh = {mesh}: {attempts} attempts");
        assert_eq!(code, Code::Unavailable);
        assert_eq!(
            attempts, expected,
            "with mesh = {mesh} the replicas must see {expected} attempts of one call"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_failed_on_a_replica_is_not_sent_again() {
    for method in ["CreateUser", "UpdateUser", "DeleteUser", "WatchUsers"] {
        let Some((attempts, code)) = attempts(Answer::Unavailable, true, method).await else {
            return;
        };
        assert_eq!((attempts, code), (1, Code::Unavailable), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_never_answers_costs_one_attempt_and_not_the_call() {
    let Some(allowed) = allowed("reads") else {
        return;
    };
    let Some((attempts, code)) = attempts(Answer::Never, true, "GetUser").await else {
        return;
    };
    println!("no answer: {attempts} attempts, then {code:?}");
    assert_eq!(attempts, allowed, "each try has its own limit");
    assert!(
        matches!(code, Code::Unavailable | Code::DeadlineExceeded),
        "{code:?}"
    );
}
