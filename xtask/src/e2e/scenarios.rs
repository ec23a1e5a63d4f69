//! The scenarios: each does one thing to a running cluster, and says what it found.

mod admission;
mod apply;
mod autoscaling;
mod database;
mod disruption;
mod kill;
mod names;
mod policy;
mod rollout;
mod rotation;
mod share;
mod spread;
mod stranger;

use super::catalogue::Scenario;
use super::error::Error;
use super::finding::Finding;
use super::scene::Scene;

/// Plays one scenario.
pub(super) async fn play(scenario: Scenario, scene: &mut Scene<'_>) -> Result<Vec<Finding>, Error> {
    let finding = match scenario {
        Scenario::Apply => apply::apply(scene).await,
        Scenario::Diff => apply::diff(scene).await,
        Scenario::Admission => admission::play(scene).await,
        Scenario::Names => return names::play(scene).await,
        Scenario::Spread => spread::play(scene).await,
        Scenario::Stranger => return stranger::play(scene).await,
        Scenario::Policy => policy::play(scene).await,
        Scenario::Rotation => rotation::play(scene).await,
        Scenario::Rollout => rollout::restart(scene).await,
        Scenario::Scale => rollout::scale(scene).await,
        Scenario::Share => return share::play(scene).await,
        Scenario::Delete => disruption::delete(scene).await,
        Scenario::Kill => kill::play(scene).await,
        Scenario::Drain => disruption::drain(scene).await,
        Scenario::Budget => disruption::budget(scene).await,
        Scenario::Upgrade => return rollout::upgrade(scene).await,
        Scenario::Database => return database::play(scene).await,
        Scenario::Autoscaling => autoscaling::play(scene).await,
    };
    Ok(vec![finding?])
}
