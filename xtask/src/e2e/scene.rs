//! What every scenario has at hand: the overlay, its pods, and a load that runs all the time.

use std::time::Duration;

use super::error::Error;
use super::finding::Finding;
use super::kubectl::Kubectl;
use super::ledger::{Counts, Ledger};
use super::load::{Followed, Pod as ClientPod, Run, Steady, Window};
use super::names::{DATABASE, REPLICAS, SERVER, labelled, servers};
use super::overlay::Overlay;
use super::pods::{self, Pod};
use super::stage::Stage;

/// How long calls may take to reach every replica after the last change: the client's own interval
/// between two looks at DNS (5 s), what a DNS server may keep (30 s), and a busy machine.
pub(super) const SPREAD: Duration = Duration::from_secs(45);

/// How long a pod may take to be gone: preStop, notice, drain, and the kubelet.
pub(super) const GONE: Duration = Duration::from_mins(1);

/// For how many seconds the loads may call between their last line and their end.
const LAST_INTERVAL: u64 = 3;

/// How long a rollout of all replicas may take.
pub(super) const ROLLOUT: Duration = Duration::from_mins(2);

/// What a scenario works with.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) stage: &'a Stage,
    /// How many calls per second each of the loads makes.
    pub(super) rate: u32,
    steady: Option<Steady>,
}

// === impl Scene ===

impl<'a> Scene<'a> {
    pub(super) const fn new(stage: &'a Stage, rate: u32) -> Self {
        Self {
            stage,
            rate,
            steady: None,
        }
    }

    pub(super) const fn kubectl(&self) -> &'a Kubectl {
        &self.stage.kubectl
    }

    /// The server's pods, without those that are about to end.
    pub(super) async fn servers(&self) -> Result<Vec<Pod>, Error> {
        self.pods(&servers()).await
    }

    /// The pods with a label.
    pub(super) async fn pods(&self, selector: &str) -> Result<Vec<Pod>, Error> {
        let list = ["get", "pods", "--selector", selector];
        pods::living(&self.kubectl().json(&list).await?)
    }

    /// The load, started by the first scenario that needs it.
    pub(super) async fn load(&mut self) -> Result<&mut Steady, Error> {
        let steady = match self.steady.take() {
            Some(steady) => steady,
            None => self.start_load().await?,
        };
        Ok(self.steady.insert(steady))
    }

    /// The RPC that is answered without the database: it asks for an entry, which the client makes when
    /// there is none. On the overlay mtls the client may not write, and lists instead.
    pub(super) const fn cached_method(&self) -> &'static str {
        match self.stage.overlay {
            Overlay::Mtls => "list",
            Overlay::Plain | Overlay::Istio => "get",
        }
    }

    /// The clients are where the database is: that node is never drained, because the database has
    /// nowhere else to go with its volume.
    async fn start_load(&self) -> Result<Steady, Error> {
        let node = self.database_node().await?;
        let pod = self.client().await?.on(&node);
        let second = self.cached_method();
        let steady = Steady::start(self.kubectl(), &pod, self.rate, second).await?;
        let servers = pods::names(&self.servers().await?);
        steady.spread_over(&servers, SPREAD).await?;
        Ok(steady)
    }

    /// The node of the database.
    pub(super) async fn database_node(&self) -> Result<String, Error> {
        let database = self.pods(&labelled(DATABASE)).await?;
        let database = database.into_iter().next().ok_or_else(|| Error::Field {
            object: format!("statefulset/{DATABASE}"),
            field: "pod",
        })?;
        Ok(database.node)
    }

    /// A client's pod, to be given a name and something to do.
    pub(super) async fn client(&self) -> Result<ClientPod, Error> {
        Ok(ClientPod::from_template(
            &self.stage.client_template().await?,
        ))
    }

    /// Runs a client to its end, and returns what it said.
    pub(super) async fn run_client(
        &self,
        name: &str,
        run: &Run<'_>,
        bound: Duration,
    ) -> Result<Ledger, Error> {
        let pod = self.client().await?.named(name).running(run);
        let client = Followed::start(self.kubectl(), &pod).await?;
        client.ended(bound).await
    }

    /// Does something to the servers under load, waits until exactly the pods that are there
    /// afterwards get calls, and claims that no call failed.
    ///
    /// The event returns the claim.
    pub(super) async fn under_load(
        &mut self,
        event: impl AsyncFnOnce(&mut Self) -> Result<String, Error>,
    ) -> Result<Finding, Error> {
        self.load().await?.window().await?;
        let claim = event(self).await?;
        let window = self.settled(REPLICAS).await?;
        Ok(Finding::none_failed(claim, &window.counts()))
    }

    /// Waits until this many replicas are ready and calls are spread over exactly them; what was
    /// counted since the last time.
    pub(super) async fn settled(&mut self, replicas: usize) -> Result<Window, Error> {
        let servers = self.sized(replicas).await?;
        let load = self.load().await?;
        load.spread_over(&pods::names(&servers), SPREAD).await?;
        load.window().await
    }

    /// Waits until there are this many replicas, all of them available, and no other.
    pub(super) async fn sized(&self, replicas: usize) -> Result<Vec<Pod>, Error> {
        let deployment = format!("deployment/{SERVER}");
        let kubectl = self.kubectl();
        // A rollout counts as done while there are too many still.
        let is_size = |size: &str| size.parse() == Ok(replicas);
        kubectl
            .watch(&[&deployment], "{.status.replicas}", ROLLOUT, is_size)
            .await?;
        kubectl.rolled_out(&deployment, ROLLOUT).await?;
        self.servers().await
    }

    /// Ends the load, and compares what it says it has counted in all with what its intervals add up
    /// to: no call may be lost between two scenarios.
    pub(super) async fn accounts(&mut self) -> Result<Option<Finding>, Error> {
        let Some(steady) = self.steady.take() else {
            return Ok(None);
        };
        let (mut total, mut sum) = (Counts::default(), Counts::default());
        for ledger in steady.stop().await? {
            sum.add(&ledger.since(0));
            total.add(&ledger.total.unwrap_or_default());
        }
        let claim =
            "every call of the load is in one of the rows above, but those of the last interval";
        let missing = total.calls.saturating_sub(sum.calls);
        let is_complete = total.calls > 0
            && total.failed == sum.failed
            && missing <= LAST_INTERVAL * 2 * u64::from(self.rate);
        let reason = format!(
            "{} of {} calls failed by the report, {} of {} by the intervals",
            total.failed, total.calls, sum.failed, sum.calls
        );
        Ok(Some(
            Finding::held(claim).with(&total).and(is_complete, reason),
        ))
    }

    /// After a scenario that broke off: the overlay as it should be, and a load that counts from now.
    pub(super) async fn recover(&mut self) -> Result<(), Error> {
        self.steady = None;
        self.stage.discard_clients().await?;
        self.stage.restore().await?;
        self.stage.ready().await
    }
}
