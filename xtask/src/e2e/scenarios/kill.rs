//! A process that is killed: SIGKILL from the node, with no word to anybody.
//!
//! `kubectl delete --force` is not that: the kubelet still sends SIGTERM and gives two seconds. Nor can
//! a container beside the server do it: the server is PID 1 of its PID namespace, which no signal from
//! inside of it kills. So a privileged pod on the same node, in a namespace of its own, finds the
//! process by its container's id and kills it, as the kernel's OOM killer would.

use std::time::Duration;

use serde_json::{Value, json};

use super::disruption::first;
use crate::e2e::error::Error;
use crate::e2e::finding::Finding;
use crate::e2e::names::{DATABASE, SERVER, labelled};
use crate::e2e::scene::{ROLLOUT, Scene};

/// How long the killer may take.
const KILL: Duration = Duration::from_secs(40);

const KILLER: &str = "e2e-kill";

pub(super) async fn play(scene: &mut Scene<'_>) -> Result<Finding, Error> {
    scene
        .under_load(async |scene| {
            let victim = first(scene.servers().await?)?;
            // The database's image is on the nodes already, and has a shell.
            let database = first(scene.pods(&labelled(DATABASE)).await?)?;
            let node = scene.stage.node_access();
            node.put(&namespace(node.namespace())).await?;
            node.discard(&["pod", KILLER]).await?;
            node.gone(&[KILLER.to_owned()], KILL).await?;
            node.put(&killer(&victim.node, &database.image, &victim.container))
                .await?;
            let object = format!("pod/{KILLER}");
            let ended = |phase: &str| matches!(phase, "Succeeded" | "Failed");
            let phase = node
                .watch(&[&object], "{.status.phase}", KILL, ended)
                .await?;
            if phase != "Succeeded" {
                return Err(Error::Waited {
                    what: format!("the process of {} is killed", victim.name),
                    after: KILL,
                    latest: node.run(&["logs", &object]).await?,
                });
            }
            let restarts = victim.restarts;
            let restarted = |count: &str| count.parse().is_ok_and(|count: u64| count > restarts);
            let pod = format!("pod/{}", victim.name);
            let kubectl = scene.kubectl();
            kubectl
                .watch(
                    &[&pod],
                    "{.status.containerStatuses[0].restartCount}",
                    ROLLOUT,
                    restarted,
                )
                .await?;
            kubectl.wait("condition=Ready", &[&pod], ROLLOUT).await?;
            node.discard(&["pod", KILLER]).await?;
            Ok(format!(
                "SIGKILL to a {SERVER}: it comes back, and no call failed"
            ))
        })
        .await
}

/// A namespace that allows privileged pods, unlike the overlay's.
fn namespace(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": {"pod-security.kubernetes.io/enforce": "privileged"},
        },
    })
}

/// Kills every process of a container on a node, and fails when there was none.
fn killer(node: &str, image: &str, container: &str) -> Value {
    let script = format!(
        "for process in /proc/[0-9]*; do \
           if grep --quiet {container} $process/cgroup 2>/dev/null; then \
             kill -KILL ${{process#/proc/}} && killed=yes; \
           fi; \
         done; \
         test \"$killed\" = yes || {{ echo no process of {container}; exit 1; }}"
    );
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": KILLER},
        "spec": {
            "nodeName": node,
            "hostPID": true,
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "containers": [{
                "name": "kill",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["sh", "-c", script],
                "securityContext": {"privileged": true, "runAsUser": 0},
            }],
        },
    })
}
