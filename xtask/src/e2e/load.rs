//! The steady load: clients in the cluster that call without a pause while a scenario disturbs the
//! servers, and whose logs say how every call ended.
//!
//! Two of them, because they are answered from different places: one lists, which asks the database
//! every time, and one gets the same entry again and again, which replicas have in their caches. They
//! run through all scenarios, so that a channel has to outlive all that happened before.

mod follow;
mod manifest;

use std::time::{Duration, Instant};

pub(super) use self::follow::Followed;
pub(super) use self::manifest::{Pod, Run, SELECTOR};
use super::error::Error;
use super::kubectl::Kubectl;
use super::ledger::{Counts, Ledger, Outage};

/// The pods of the two.
const LOADS: [&str; 2] = ["e2e-list", "e2e-get"];

/// How many calls there are in an interval: several for each pod, so that a pod without any is one that
/// gets none. At 100 calls per second it is a quarter of a second.
const CALLS_IN_INTERVAL: u64 = 25;

/// How long the next lines of the logs may take.
const NEXT: Duration = Duration::from_mins(1);

/// How many intervals tell that a spread has settled, and is not met by chance.
const SETTLED: usize = 2;

/// Both loads.
#[derive(Debug)]
pub(super) struct Steady {
    /// Reads from the database.
    list: Followed,
    /// Reads from the replicas' caches.
    get: Followed,
    mark: Mark,
}

/// Where a scenario's share of the intervals begins.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    list: usize,
    get: usize,
}

/// What both have counted while a scenario ran.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) list: Part,
    pub(super) get: Part,
}

/// What one of them has counted.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) counts: Counts,
    pub(super) outage: Option<Outage>,
    ledger: Ledger,
}

/// How often a load says how it goes, at so many calls per second.
pub(super) fn interval(rate: u32) -> Duration {
    Duration::from_millis(1_000 * CALLS_IN_INTERVAL / u64::from(rate.max(1)))
        .max(Duration::from_millis(100))
}

// === impl Steady ===

impl Steady {
    /// Starts both, with so many calls per second each, and waits until they call.
    ///
    /// Where callers may not write, an entry to get cannot be made, and `second` is to list as well.
    pub(super) async fn start(
        kubectl: &Kubectl,
        pod: &Pod,
        rate: u32,
        second: &str,
    ) -> Result<Self, Error> {
        let start = async |name: &str, method: &str| {
            let run = Run::Steady {
                method,
                rate,
                interval: interval(rate),
            };
            Followed::start(kubectl, &pod.named(name).running(&run)).await
        };
        let (list, get) = tokio::try_join!(start(LOADS[0], "list"), start(LOADS[1], second))?;
        let mut steady = Self {
            list,
            get,
            mark: Mark::default(),
        };
        steady.window().await?;
        Ok(steady)
    }

    /// Waits until every one of these pods gets its share of the calls, and no other gets any.
    /// Returns when that was so for the first time.
    pub(super) async fn spread_over(
        &self,
        pods: &[String],
        bound: Duration,
    ) -> Result<Instant, Error> {
        let seen = |ledger: &Ledger| {
            let latest = ledger.intervals.len().checked_sub(SETTLED)?;
            let latest = &ledger.intervals[latest..];
            let even = |counts: &Counts| {
                let share = counts.calls / u64::try_from(pods.len()).ok()?.max(1);
                // An interval begins and ends in the middle of a round.
                let is_even = counts.is_spread_over(pods) && counts.imbalance() <= share / 2 + 1;
                is_even.then_some(())
            };
            for interval in latest {
                even(&interval.counts)?;
            }
            latest.first().map(|interval| interval.heard)
        };
        let what = format!("calls are spread over {}", pods.join(", "));
        let list = self.list.until(&what, bound, seen);
        let get = self.get.until(&what, bound, seen);
        let (list, get) = tokio::try_join!(list, get)?;
        Ok(list.max(get))
    }

    /// What was counted since the last time that this was asked, up to a whole interval from now, so
    /// that every call which was in flight is in.
    pub(super) async fn window(&mut self) -> Result<Window, Error> {
        let mark = self.mark;
        let after = |first: usize| {
            move |ledger: &Ledger| (ledger.intervals.len() > first + 1).then(|| ledger.clone())
        };
        let (list, get) = (self.list.heard(), self.get.heard());
        let what = "the load says how it goes";
        let (list, get) = tokio::try_join!(
            self.list.until(what, NEXT, after(list)),
            self.get.until(what, NEXT, after(get)),
        )?;
        self.mark = Mark {
            list: list.intervals.len(),
            get: get.intervals.len(),
        };
        Ok(Window {
            list: Part::new(list, mark.list),
            get: Part::new(get, mark.get),
        })
    }

    /// Ends both, and returns all that they have said.
    pub(super) async fn stop(self) -> Result<[Ledger; 2], Error> {
        let (list, get) = tokio::try_join!(self.list.stop(), self.get.stop())?;
        Ok([list, get])
    }
}

// === impl Window ===

impl Window {
    /// Both together.
    pub(super) fn counts(&self) -> Counts {
        let mut sum = self.list.counts.clone();
        sum.add(&self.get.counts);
        sum
    }
}

// === impl Part ===

impl Part {
    fn new(ledger: Ledger, first: usize) -> Self {
        Self {
            counts: ledger.since(first),
            outage: ledger.outage(first),
            ledger,
        }
    }

    /// The calls that succeeded while an outage lasted.
    pub(super) fn succeeded_during(&self, outage: Outage) -> u64 {
        self.ledger.succeeded_during(outage)
    }
}
