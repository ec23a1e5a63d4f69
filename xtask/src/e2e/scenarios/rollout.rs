//! Changes that an operator makes on purpose: a restart, another size, another version.

use crate::e2e::error::Error;
use crate::e2e::finding::Finding;
use crate::e2e::images;
use crate::e2e::names::{REPLICAS, SERVER};
use crate::e2e::pods;
use crate::e2e::scene::{GONE, ROLLOUT, SPREAD, Scene};

/// `kubectl rollout restart`.
pub(super) async fn restart(scene: &mut Scene<'_>) -> Result<Finding, Error> {
    scene
        .under_load(async |scene| {
            let deployment = format!("deployment/{SERVER}");
            replaced(scene, &["rollout", "restart", &deployment]).await?;
            Ok("rollout restart: all pods are new, and no call failed".to_owned())
        })
        .await
}

/// `kubectl scale`, up and down.
pub(super) async fn scale(scene: &mut Scene<'_>) -> Result<Finding, Error> {
    scene
        .under_load(async |scene| {
            for replicas in [5, 2, REPLICAS] {
                to(scene, replicas).await?;
            }
            Ok("scale 3 → 5 → 2 → 3: every size got all calls, and none failed".to_owned())
        })
        .await
}

/// The next version of the image, and back to this one.
pub(super) async fn upgrade(scene: &mut Scene<'_>) -> Result<Vec<Finding>, Error> {
    let deployment = format!("deployment/{SERVER}");
    let next = images::server(true);
    let image = format!("{SERVER}={next}");
    let upgrade = scene
        .under_load(async |scene| {
            replaced(scene, &["set", "image", &deployment, &image]).await?;
            Ok(format!("upgrade to {next}: no call failed"))
        })
        .await?;
    let upgraded = scene.servers().await?;
    let all_next = upgraded.iter().all(|pod| pod.image.ends_with(&next));
    let rollback = scene
        .under_load(async |scene| {
            replaced(scene, &["rollout", "undo", &deployment]).await?;
            Ok("rollout undo: no call failed".to_owned())
        })
        .await?;
    let servers = scene.servers().await?;
    let all_back = servers.iter().all(|pod| !pod.image.ends_with(&next));
    Ok(vec![
        upgrade.and(all_next, format!("not all pods are of {next}")),
        rollback.and(all_back, format!("some pods are still of {next}")),
    ])
}

/// Sets the size, and waits until calls go to exactly the pods of that size and the others are gone.
pub(super) async fn to(scene: &mut Scene<'_>, replicas: usize) -> Result<(), Error> {
    let before = pods::names(&scene.servers().await?);
    let deployment = format!("deployment/{SERVER}");
    let size = format!("--replicas={replicas}");
    let kubectl = scene.kubectl();
    kubectl.run(&["scale", &deployment, &size]).await?;
    let now = pods::names(&scene.sized(replicas).await?);
    let load = scene.load().await?;
    load.spread_over(&now, SPREAD).await?;
    let left: Vec<String> = before.into_iter().filter(|it| !now.contains(it)).collect();
    kubectl.gone(&left, GONE).await
}

/// Does something after which all pods are others, and waits until those from before are gone.
async fn replaced(scene: &mut Scene<'_>, command: &[&str]) -> Result<(), Error> {
    let before = pods::names(&scene.servers().await?);
    let kubectl = scene.kubectl();
    kubectl.run(command).await?;
    let deployment = format!("deployment/{SERVER}");
    kubectl.rolled_out(&deployment, ROLLOUT).await?;
    kubectl.gone(&before, GONE).await
}
