//! Certificates that change while calls go on.

use std::cell::Cell;
use std::time::Duration;

use crate::e2e::certificates;
use crate::e2e::error::Error;
use crate::e2e::finding::Finding;
use crate::e2e::pods;
use crate::e2e::scene::Scene;

/// How long a new Secret may take to be in every pod's volume: the kubelet's period of a minute, and
/// what it caches.
const MOUNTED: Duration = Duration::from_mins(2);

/// What a server and the client log when they use new files.
const RELOADED: &str = "new certificates are used";

pub(super) async fn play(scene: &mut Scene<'_>) -> Result<Finding, Error> {
    let issued = ["get", "certificates.cert-manager.io", "--output=name"];
    let (is_issuing, names) = scene.kubectl().attempt(&issued, None).await?;
    if is_issuing && !names.trim().is_empty() {
        return Ok(Finding::skipped(
            "certificates rotate with no restart and no failed call",
            "cert-manager renews these by itself; `cmctl renew --all` does so at once",
        ));
    }
    let before = scene.servers().await?;
    let mut reloads = Vec::new();
    for pod in &before {
        let log = scene.kubectl().run(&["logs", &pod.name]).await?;
        reloads.push(log.lines().filter(|line| line.contains(RELOADED)).count());
    }
    let finding = scene
        .under_load(async |scene| {
            let kubectl = scene.kubectl();
            certificates::renew(kubectl.namespace()).await?;
            let path = scene.stage.folder.path();
            kubectl.run(&["apply", "--kustomize", &path]).await?;
            // A pod that changes in any way is looked at at once, its volumes too; otherwise the
            // kubelet takes up to a minute.
            kubectl
                .run(&[
                    "annotate",
                    "pods",
                    "--all",
                    "--overwrite",
                    "e2e/rotated=now",
                ])
                .await?;
            for (pod, seen) in before.iter().zip(&reloads) {
                // The log is followed from its start, so that no line is missed in between.
                let log = ["logs", "--follow", &pod.name];
                let found = Cell::new(0);
                let is_new = |line: &str| {
                    found.set(found.get() + usize::from(line.contains(RELOADED)));
                    found.get() > *seen
                };
                kubectl.line(&log, MOUNTED, is_new).await?;
            }
            Ok("certificates rotate: every server uses the new ones, none restarts, no call failed"
                .to_owned())
        })
        .await?;
    let after = scene.servers().await?;
    let same = |a: &pods::Pod| {
        after
            .iter()
            .any(|b| a.name == b.name && a.restarts == b.restarts)
    };
    let restarted = "a pod was replaced or has restarted";
    Ok(finding.and(before.iter().all(same), restarted))
}
