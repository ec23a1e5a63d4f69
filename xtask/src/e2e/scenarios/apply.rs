//! What one command brings up.

use std::time::Duration;

use crate::e2e::error::Error;
use crate::e2e::finding::Finding;
use crate::e2e::names::{CLIENT, REPLICAS};
use crate::e2e::pods;
use crate::e2e::scene::Scene;

/// How soon the client's log shows the spread: a line every five seconds, and calls that waited for
/// the first replica.
const LOG: Duration = Duration::from_secs(40);

/// The overlay is applied already, by [`crate::e2e::stage::Stage::apply`]; this looks at what came of
/// it.
pub(super) async fn apply(scene: &mut Scene<'_>) -> Result<Finding, Error> {
    let servers = scene.servers().await?;
    let ready = servers.iter().filter(|pod| pod.ready).count();
    let names = pods::names(&servers);
    let kubectl = scene.kubectl();
    // `kubectl logs --follow` is watched as an object is: line by line, until one shows all of them.
    let log = [
        "logs",
        "--follow",
        "--tail=1",
        &format!("deployment/{CLIENT}"),
    ];
    let shows_all = |line: &str| names.iter().all(|name| line.contains(name.as_str()));
    let line = kubectl.line(&log, LOG, shows_all).await;
    let claim = format!("{ready} replicas are ready, and the client's log shows calls on each");
    Ok(match line {
        Ok(_) => Finding::held(claim).and(
            ready == REPLICAS && servers.len() == REPLICAS,
            format!("there should be {REPLICAS}: {}", names.join(", ")),
        ),
        Err(error) => Finding::broken(claim, error.chain()),
    })
}

/// What was applied is what is there: nothing is defaulted or changed behind the manifests' back.
pub(super) async fn diff(scene: &mut Scene<'_>) -> Result<Finding, Error> {
    let path = scene.stage.folder.path();
    let diff = ["diff", "--kustomize", &path];
    let (is_empty, said) = scene.kubectl().attempt(&diff, None).await?;
    let claim = "kubectl diff finds nothing right after apply";
    Ok(Finding::held(claim).and(is_empty, said))
}
