//! The store in memory, which is what a server without settings has.

use std::time::Duration;

use futures_util::FutureExt as _;
use user_server::store::{Database, Store as _};

use super::{config, new};

/// A call is dropped in the middle when its caller leaves, and the pool then closes its connection.
#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_cut_off_lose_nothing_in_memory() {
    let store = Database::open(&config("sqlite::memory:")).await.unwrap();
    let kept = new("kept@example.com");
    store.create(&kept, None).await.unwrap();
    for number in 0..600 {
        let other = new(&format!("{number}@example.com"));
        let pause = tokio::time::sleep(Duration::from_micros(5 * (number % 60)));
        tokio::select! {
            written = store.create(&other, None) => drop(written.unwrap()),
            () = pause => {}
        }
        // A call that was only begun.
        let _ = store.head().now_or_never();
        let found = store.get(kept.id).await;
        assert_eq!(found.unwrap().map(|it| it.user), Some(kept.clone()));
    }
    store.close().await;
}
