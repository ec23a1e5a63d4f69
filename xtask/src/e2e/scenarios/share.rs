//! How soon a new pod gets its share: by DNS, and by watching the EndpointSlices.

use std::time::{Duration, Instant};

use crate::e2e::error::Error;
use crate::e2e::finding::Finding;
use crate::e2e::load::{self, Followed, Pod, Run};
use crate::e2e::names::{REPLICAS, SERVER, servers};
use crate::e2e::pods;
use crate::e2e::scene::{ROLLOUT, Scene};

/// With the watch: the API server's push, a connection, and one interval of the load.
const BY_WATCH: Duration = Duration::from_secs(2);

/// By DNS: the client looks every 5 s at the latest (k8s/client/config.toml), and a DNS server may keep
/// an answer for 30 s.
const BY_DNS: Duration = Duration::from_secs(35);

const COMPONENT: &str = "endpointslice-watch";

/// The pods of the two clients.
const DNS: &str = "e2e-dns";
const WATCH: &str = "e2e-watch";

/// Adds the component, starts a client of each kind, adds a replica, and waits until it has its share
/// from both.
pub(super) async fn play(scene: &mut Scene<'_>) -> Result<Vec<Finding>, Error> {
    let (stage, kubectl) = (scene.stage, scene.kubectl());
    let dns = Measure::start(scene, DNS, scene.client().await?).await?;
    stage.add(COMPONENT).await?;
    let watch = Measure::start(scene, WATCH, scene.client().await?).await?;

    let before = pods::names(&scene.servers().await?);
    let deployment = format!("deployment/{SERVER}");
    let size = format!("--replicas={}", REPLICAS + 1);
    kubectl.run(&["scale", &deployment, &size]).await?;
    let new = |line: &str| {
        let (name, ready) = line.split_once(' ').unwrap_or_default();
        ready == "True" && !before.iter().any(|it| it == name)
    };
    let line = kubectl
        .watch(
            &["pods", "--selector", &servers()],
            "{.metadata.name} {.status.conditions[?(@.type==\"Ready\")].status}",
            ROLLOUT,
            new,
        )
        .await?;
    let ready = Instant::now();
    let pod = line.split(' ').next().unwrap_or_default().to_owned();
    let by_watch = watch.share(&pod, ready, BY_WATCH * 5);
    let by_dns = dns.share(&pod, ready, BY_DNS * 2);
    let (by_watch, by_dns) = tokio::try_join!(by_watch, by_dns)?;

    drop((watch, dns));
    stage.restore().await?;
    kubectl.discard(&["pod", DNS, WATCH]).await?;
    scene.settled(REPLICAS).await?;
    Ok(vec![
        finding("with the EndpointSlice watch", by_watch, BY_WATCH),
        finding("by DNS", by_dns, BY_DNS),
    ])
}

fn finding(how: &str, share: Duration, bound: Duration) -> Finding {
    let claim = format!(
        "{how}, a new pod has its share {:.1} s after it is ready (bound: {} s)",
        share.as_secs_f64(),
        bound.as_secs()
    );
    Finding::held(claim).and(share <= bound, "it took longer")
}

/// A client that shows when a pod gets calls.
struct Measure {
    client: Followed,
}

// === impl Measure ===

impl Measure {
    async fn start(scene: &Scene<'_>, name: &str, pod: Pod) -> Result<Self, Error> {
        let run = Run::Steady {
            method: "list",
            rate: scene.rate,
            interval: load::interval(scene.rate),
        };
        let client = Followed::start(scene.kubectl(), &pod.named(name).running(&run)).await?;
        let this = Self { client };
        for pod in scene.servers().await? {
            this.share(&pod.name, Instant::now(), ROLLOUT).await?;
        }
        Ok(this)
    }

    /// How long after `ready` the pod has its share.
    async fn share(&self, pod: &str, ready: Instant, bound: Duration) -> Result<Duration, Error> {
        let what = format!("{pod} has its share of the calls");
        let seen = self
            .client
            .until(&what, bound, |it| it.share_of(pod, 0))
            .await?;
        Ok(seen.saturating_duration_since(ready))
    }
}
