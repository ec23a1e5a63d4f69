//! A database that is away for a while.

use std::time::Duration;

use crate::e2e::error::Error;
use crate::e2e::finding::Finding;
use crate::e2e::ledger::Outage;
use crate::e2e::load::Part;
use crate::e2e::names::{DATABASE, REPLICAS};
use crate::e2e::scene::{ROLLOUT, Scene};

/// How a call may fail meanwhile: the server says UNAVAILABLE, and the client, which tries again until
/// then, that the call's deadline has passed.
const CODES: [&str; 2] = ["UNAVAILABLE", "DEADLINE_EXCEEDED"];

/// Restarts it. Calls that need it may fail, but only so that the caller knows what to do; those that do
/// not need it are told apart from them.
pub(super) async fn play(scene: &mut Scene<'_>) -> Result<Vec<Finding>, Error> {
    scene.load().await?.window().await?;
    let database = format!("statefulset/{DATABASE}");
    let kubectl = scene.kubectl();
    kubectl.run(&["rollout", "restart", &database]).await?;
    kubectl.rolled_out(&database, ROLLOUT).await?;
    let window = scene.settled(REPLICAS).await?;
    let outage = window.list.outage;
    Ok(vec![
        finding("ListUsers, from the database", &window.list, outage),
        finding("GetUser, from the cache", &window.get, outage),
    ])
}

fn finding(what: &str, part: &Part, outage: Option<Outage>) -> Finding {
    let away = outage.map_or(Duration::ZERO, |outage| outage.until - outage.from);
    let answered = outage.map_or(0, |outage| part.succeeded_during(outage));
    let how = match part.counts.reasons() {
        none if none.is_empty() => "none failed".to_owned(),
        reasons => reasons,
    };
    let claim = format!(
        "a database restart, failures for {:.1} s; {what}: {answered} answered meanwhile, {how}; then all again",
        away.as_secs_f64()
    );
    Finding::held(claim)
        .with(&part.counts)
        .and(part.counts.calls > 0, "no call was made meanwhile")
        .and(part.counts.only_failed_with(&CODES), part.counts.reasons())
}
