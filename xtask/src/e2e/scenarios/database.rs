//! A database that is away for a while.

use std::time::Duration;

use crate::e2e::error::Error;
use crate::e2e::finding::Finding;
use crate::e2e::ledger::Outage;
use crate::e2e::load::Part;
use crate::e2e::names::{DATABASE, REPLICAS};
use crate::e2e::scene::{ROLLOUT, Scene};

/// Restarts it. Calls that need it may fail, but only with UNAVAILABLE; those that do not are told
/// apart from them.
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
    let claim = format!(
        "a database restart, {:.1} s of failures: {what}: {answered} answered meanwhile, the rest UNAVAILABLE, \
         then all again",
        away.as_secs_f64()
    );
    Finding::held(claim)
        .with(&part.counts)
        .and(part.counts.calls > 0, "no call was made meanwhile")
        .and(
            part.counts.only_failed_with("UNAVAILABLE"),
            part.counts.reasons(),
        )
}
