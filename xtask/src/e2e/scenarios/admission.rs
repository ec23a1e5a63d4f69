//! The restricted Pod Security Standard, as the API server enforces it on the overlay's namespace.

use serde_json::json;

use crate::e2e::error::Error;
use crate::e2e::finding::Finding;
use crate::e2e::scene::Scene;

/// Asks for a privileged pod. Nothing is made: the API server decides, and forgets.
pub(super) async fn play(scene: &mut Scene<'_>) -> Result<Finding, Error> {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "e2e-privileged"},
        "spec": {"containers": [{
            "name": "privileged",
            "image": "privileged:1",
            "securityContext": {"privileged": true},
        }]},
    });
    let create = ["create", "--dry-run=server", "--filename=-"];
    let (created, said) = scene
        .kubectl()
        .attempt(&create, Some(&pod.to_string()))
        .await?;
    let claim = "a privileged pod is refused by Pod Security admission";
    Ok(Finding::held(claim)
        .and(!created, "it was admitted")
        .and(said.contains("violates PodSecurity"), said))
}
