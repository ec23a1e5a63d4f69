//! Pods that go away: deleted, evicted from a node, or kept by their budget.

use std::time::Duration;

use serde_json::json;

use crate::e2e::error::Error;
use crate::e2e::finding::Finding;
use crate::e2e::kubectl::Kubectl;
use crate::e2e::names::SERVER;
use crate::e2e::pods::{self, Pod};
use crate::e2e::scene::{GONE, ROLLOUT, Scene};

/// `kubectl delete pod`.
pub(super) async fn delete(scene: &mut Scene<'_>) -> Result<Finding, Error> {
    scene
        .under_load(async |scene| {
            let victim = first(scene.servers().await?)?;
            let pod = format!("pod/{}", victim.name);
            let delete = scene.kubectl().program(&["delete", &pod]);
            delete.within(GONE).run().await?;
            Ok("a pod is deleted: its replacement gets calls, and none failed".to_owned())
        })
        .await
}

/// Cordon, evict every server pod, uncordon: what `kubectl drain` does, for these pods only, so that
/// nothing else on the cluster is disturbed.
pub(super) async fn drain(scene: &mut Scene<'_>) -> Result<Finding, Error> {
    let claim = "a node is drained: its pods move, and no call failed";
    let database = scene.database_node().await?;
    let servers = scene.servers().await?;
    let elsewhere = servers.iter().find(|pod| pod.node != database);
    let Some(node) = elsewhere.map(|pod| pod.node.clone()) else {
        let reason = "there is one node only, or no replica on another than the database's";
        return Ok(Finding::skipped(claim, reason));
    };
    let finding = scene
        .under_load(async |scene| {
            let kubectl = scene.kubectl();
            scene.stage.cordon(&node).await?;
            let leaving = scene.servers().await?.into_iter();
            let leaving: Vec<Pod> = leaving.filter(|pod| pod.node == node).collect();
            for pod in &leaving {
                allowed(kubectl).await?;
                let (evicted, said) = evict(scene, &pod.name).await?;
                if !evicted {
                    scene.stage.uncordon().await?;
                    return Ok(format!("{claim}; but {} stays: {said}", pod.name));
                }
                kubectl.gone(std::slice::from_ref(&pod.name), GONE).await?;
            }
            scene.stage.uncordon().await?;
            Ok(format!(
                "{node} is drained of {} pods, and no call failed",
                leaving.len()
            ))
        })
        .await?;
    let stays = scene.servers().await?;
    let still_there = stays
        .iter()
        .any(|pod| pod.node == node && servers.iter().any(|it| it.name == pod.name));
    Ok(finding.and(!still_there, format!("a pod is still on {node}")))
}

/// A second eviction while the first pod's replacement is not ready.
pub(super) async fn budget(scene: &mut Scene<'_>) -> Result<Finding, Error> {
    let mut second = (true, String::new());
    let finding = scene
        .under_load(async |scene| {
            let servers = scene.servers().await?;
            let [one, other, ..] = servers.as_slice() else {
                return Ok("there are not even two replicas".to_owned());
            };
            allowed(scene.kubectl()).await?;
            let (first, said) = evict(scene, &one.name).await?;
            if !first {
                second = (true, format!("the first eviction was refused: {said}"));
                return Ok("the first eviction is allowed".to_owned());
            }
            second = evict(scene, &other.name).await?;
            scene
                .kubectl()
                .gone(std::slice::from_ref(&one.name), GONE)
                .await?;
            Ok("one pod is evicted, the budget refuses a second, and no call failed".to_owned())
        })
        .await?;
    let (evicted, said) = second;
    let refused = !evicted && said.contains("disruption budget");
    Ok(finding.and(
        refused,
        format!("the second eviction was not refused: {said}"),
    ))
}

/// Waits until the budget lets a pod go: when the one before has its replacement.
async fn allowed(kubectl: &Kubectl) -> Result<(), Error> {
    let budget = format!("poddisruptionbudget/{SERVER}");
    let some = |allowed: &str| allowed.parse().is_ok_and(|it: u32| it > 0);
    let allowed = "{.status.disruptionsAllowed}";
    kubectl
        .watch(&[&budget], allowed, ROLLOUT, some)
        .await
        .map(drop)
}

/// Asks for an eviction, as `kubectl drain` and the cluster's autoscaler do; whether it was granted,
/// and what was said.
async fn evict(scene: &Scene<'_>, pod: &str) -> Result<(bool, String), Error> {
    let kubectl = scene.kubectl();
    let namespace = kubectl.namespace();
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/eviction");
    let eviction = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace},
    });
    let create = ["create", "--raw", &path, "--filename=-"];
    kubectl.attempt(&create, Some(&eviction.to_string())).await
}

/// The first of the pods.
pub(super) fn first(pods: Vec<Pod>) -> Result<Pod, Error> {
    pods.into_iter().next().ok_or_else(|| Error::Waited {
        what: "there is a pod of the server".to_owned(),
        after: Duration::ZERO,
        latest: pods::names(&[]).join(", "),
    })
}
