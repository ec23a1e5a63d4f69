//! How a test waits: for a condition, and never without a bound.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

/// What is over by then on a machine that does much else at the same time, unless it hangs.
const BOUND: Duration = Duration::from_secs(30);

/// Runs a whole test, which must end by itself.
pub(crate) async fn bounded<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, test)
        .await
        .expect("the test must end by itself")
}

/// Waits until a condition holds that nothing notifies about.
pub(crate) async fn wait_until(what: impl Display, mut holds: impl FnMut() -> bool) {
    const TICK: Duration = Duration::from_millis(2);
    let mut ticks = tokio::time::interval(TICK);
    let waiting = async {
        while !holds() {
            ticks.tick().await;
        }
    };
    assert!(
        tokio::time::timeout(BOUND / 2, waiting).await.is_ok(),
        "expected within {:?}: {what}",
        BOUND / 2
    );
}
