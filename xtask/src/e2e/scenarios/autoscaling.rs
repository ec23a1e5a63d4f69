//! The `HorizontalPodAutoscaler`, where the cluster has metrics.

use std::time::Duration;

use crate::e2e::error::Error;
use crate::e2e::finding::Finding;
use crate::e2e::load::{Followed, Run};
use crate::e2e::names::{REPLICAS, SERVER};
use crate::e2e::scene::Scene;

/// Metrics come every 15 s, and the autoscaler looks every 15 s.
const REACTION: Duration = Duration::from_mins(3);

const COMPONENT: &str = "autoscaling";

/// Adds the component, and calls as fast as the servers answer.
pub(super) async fn play(scene: &mut Scene<'_>) -> Result<Finding, Error> {
    let claim = "the autoscaler adds replicas under load";
    let (stage, kubectl) = (scene.stage, scene.kubectl());
    let metrics = ["get", "--raw", "/apis/metrics.k8s.io/v1beta1/pods?limit=1"];
    let (has_metrics, said) = kubectl.attempt(&metrics, None).await?;
    if !has_metrics {
        let reason = format!("the cluster serves no metrics.k8s.io: {}", said.trim());
        return Ok(Finding::skipped(claim, reason));
    }
    stage.add(COMPONENT).await?;
    let run = Run::Calls {
        method: scene.cached_method(),
        calls: u64::MAX,
        workers: 64,
        target: None,
    };
    let pod = scene.client().await?.named("e2e-flood").running(&run);
    let _flood = Followed::start(kubectl, &pod).await?;
    let autoscaler = format!("horizontalpodautoscaler/{SERVER}");
    let more = |replicas: &str| replicas.parse().is_ok_and(|it: usize| it > REPLICAS);
    let desired = kubectl
        .watch(&[&autoscaler], "{.status.desiredReplicas}", REACTION, more)
        .await;
    kubectl.discard(&["pod", "e2e-flood"]).await?;
    stage.restore().await?;
    scene.settled(REPLICAS).await?;
    Ok(match desired {
        Ok(desired) => Finding::held(format!("{claim}: from {REPLICAS} to {desired}")),
        Err(error) => Finding::broken(claim, error.chain()),
    })
}
