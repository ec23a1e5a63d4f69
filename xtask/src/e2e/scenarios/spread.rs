//! The even spread: to within one call.

use std::time::Duration;

use crate::e2e::error::Error;
use crate::e2e::finding::Finding;
use crate::e2e::load::Run;
use crate::e2e::pods;
use crate::e2e::scene::Scene;

const CALLS: u64 = 10_000;

pub(super) async fn play(scene: &mut Scene<'_>) -> Result<Finding, Error> {
    let names = pods::names(&scene.servers().await?);
    let run = Run::Calls {
        method: scene.cached_method(),
        calls: CALLS,
        workers: 10,
        target: None,
    };
    let ledger = scene
        .run_client("e2e-spread", &run, Duration::from_mins(2))
        .await?;
    let log = ledger.noise.join("\n");
    let Some(total) = ledger.total else {
        return Ok(Finding::broken("calls are spread evenly", log));
    };
    let claim = format!(
        "by x-served-by, {} pods differ by {} call(s) at the most",
        total.pods.len(),
        total.imbalance()
    );
    let is_even = total.is_spread_over(&names) && total.imbalance() <= 1;
    Ok(Finding::none_failed(claim, &total)
        .and(
            total.calls == CALLS,
            format!("{CALLS} calls were asked for"),
        )
        .and(is_even, format!("they are not even: {:?}", total.pods)))
}
