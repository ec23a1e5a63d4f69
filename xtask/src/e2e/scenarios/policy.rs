//! Network policies: a pod that nobody has listed cannot connect.
//!
//! It tries from another namespace, by bare TCP, so that nothing but the network can be what refuses.
//! That the listed client passes is what the load shows all the time.

use std::time::Duration;

use serde_json::{Value, json};

use super::disruption::first;
use crate::e2e::error::Error;
use crate::e2e::finding::Finding;
use crate::e2e::kubectl::Kubectl;
use crate::e2e::names::{DATABASE, PORT, SERVER, labelled};
use crate::e2e::scene::Scene;

/// What the stranger tries to reach.
const TARGETS: [(&str, u16); 2] = [(SERVER, PORT), (DATABASE, 5432)];

/// Twice five attempts of two seconds, and a pod's start.
const TRIED: Duration = Duration::from_mins(1);

const STRANGER: &str = "e2e-unlisted";

pub(super) async fn play(scene: &mut Scene<'_>) -> Result<Finding, Error> {
    let claim = "a pod that no policy lists connects neither to the server nor to the database";
    let image = first(scene.pods(&labelled(DATABASE)).await?)?.image;
    let namespace = scene.kubectl().namespace().to_owned();
    let helper = scene.stage.node_access();
    helper
        .put(&json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": helper.namespace()},
        }))
        .await?;
    let targets: Vec<(String, u16)> = TARGETS
        .iter()
        .map(|(service, port)| (format!("{service}.{namespace}.svc.cluster.local"), *port))
        .collect();
    let (blocked, said) = try_from(&helper, &image, &targets).await?;
    if blocked {
        scene.load().await?.window().await?;
        let window = scene.settled(crate::e2e::names::REPLICAS).await?;
        return Ok(Finding::none_failed(
            format!("{claim}; the client does, and no call failed"),
            &window.counts(),
        ));
    }
    // Whose fault is it? A pod that may send nothing at all tells whether policies mean anything here.
    helper.put(&silence(helper.namespace())).await?;
    let (enforced, _) = try_from(&helper, &image, &targets).await?;
    helper.discard(&["networkpolicy", STRANGER]).await?;
    Ok(if enforced {
        Finding::broken(claim, said)
    } else {
        Finding::skipped(
            claim,
            "this cluster's network does not enforce NetworkPolicy",
        )
    })
}

/// Whether every target is out of reach for a pod in this namespace, and what the pod said.
async fn try_from(
    kubectl: &Kubectl,
    image: &str,
    targets: &[(String, u16)],
) -> Result<(bool, String), Error> {
    kubectl.discard(&["pod", STRANGER]).await?;
    kubectl.gone(&[STRANGER.to_owned()], TRIED).await?;
    kubectl.put(&stranger(image, targets)).await?;
    let object = format!("pod/{STRANGER}");
    let ended = |phase: &str| matches!(phase, "Succeeded" | "Failed");
    let phase = kubectl
        .watch(&[&object], "{.status.phase}", TRIED, ended)
        .await?;
    let said = kubectl.run(&["logs", &object]).await?;
    kubectl.discard(&["pod", STRANGER]).await?;
    Ok((phase == "Succeeded", said))
}

/// A pod that fails when it can connect. It tries again for a while: a network may need a moment to
/// learn of a new pod, and lets it pass until then.
fn stranger(image: &str, targets: &[(String, u16)]) -> Value {
    let mut script = String::from(
        "blocked() { for attempt in 1 2 3 4 5; do \
           timeout 2 bash -c \"exec 3<>/dev/tcp/$1/$2\" || return 0; sleep 1; \
         done; echo \"$1:$2 can be reached\"; return 1; }; ",
    );
    let blocked = targets
        .iter()
        .map(|(host, port)| format!("blocked {host} {port}"));
    script.push_str(&blocked.collect::<Vec<_>>().join(" && "));
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": STRANGER, "labels": {"app.kubernetes.io/name": STRANGER}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "stranger",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["bash", "-c", script],
            }],
        },
    })
}

/// A policy that lets the stranger send nothing.
fn silence(namespace: &str) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": STRANGER, "namespace": namespace},
        "spec": {
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": STRANGER}},
            "policyTypes": ["Egress"],
        },
    })
}
