//! A steady load: workers that call one method again and again and keep the books.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use grpc_channel::Channel;
use tokio::task::JoinSet;
use tonic::Status;

use crate::echo::{Client, Method, served_by};
use crate::wait_until;

/// Calls that go on until they are stopped.
pub(crate) struct Load {
    workers: JoinSet<Tally>,
    progress: Arc<Progress>,
}

#[derive(Default)]
struct Progress {
    stop: AtomicBool,
    answered: AtomicU64,
    failed: AtomicU64,
}

/// What became of the calls.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// How many calls each replica answered.
    pub(crate) answered: BTreeMap<String, u64>,
    pub(crate) failures: Vec<Status>,
}

/// Makes `calls` calls by `workers` workers, each call after the one before.
pub(crate) async fn burst(channel: &Channel, method: Method, workers: u64, calls: u64) -> Tally {
    let left = Arc::new(AtomicU64::new(calls));
    let mut tasks = JoinSet::new();
    for _ in 0..workers {
        let (client, left) = (Client::new(channel), left.clone());
        tasks.spawn(async move {
            let mut tally = Tally::default();
            let take = |left: u64| left.checked_sub(1);
            while left
                .try_update(Ordering::SeqCst, Ordering::SeqCst, take)
                .is_ok()
            {
                tally.call(&client, method).await;
            }
            tally
        });
    }
    Tally::sum(tasks).await
}

// === impl Load ===

impl Load {
    pub(crate) fn start(channel: &Channel, method: Method, workers: usize) -> Self {
        let progress = Arc::new(Progress::default());
        let mut tasks = JoinSet::new();
        for _ in 0..workers {
            let (client, progress) = (Client::new(channel), progress.clone());
            tasks.spawn(async move {
                let mut tally = Tally::default();
                while !progress.stop.load(Ordering::SeqCst) {
                    let counter = if tally.call(&client, method).await {
                        &progress.answered
                    } else {
                        &progress.failed
                    };
                    counter.fetch_add(1, Ordering::SeqCst);
                }
                tally
            });
        }
        Self {
            workers: tasks,
            progress,
        }
    }

    /// Waits until so many more calls were answered.
    pub(crate) async fn answers(&self, more: u64) {
        let answered = || self.progress.answered.load(Ordering::SeqCst);
        let enough = answered() + more;
        wait_until(format!("{more} more calls are answered"), || {
            answered() >= enough
        })
        .await;
    }

    pub(crate) fn failed(&self) -> u64 {
        self.progress.failed.load(Ordering::SeqCst)
    }

    /// Ends when the last call has.
    pub(crate) async fn stop(self) -> Tally {
        self.progress.stop.store(true, Ordering::SeqCst);
        Tally::sum(self.workers).await
    }
}

// === impl Tally ===

impl Tally {
    async fn call(&mut self, client: &Client, method: Method) -> bool {
        match client.call(method).await {
            Ok(response) => {
                *self.answered.entry(served_by(&response)).or_default() += 1;
                true
            }
            Err(status) => {
                self.failures.push(status);
                // Without a replica a failure costs nothing; the others want to run as well.
                tokio::task::yield_now().await;
                false
            }
        }
    }

    async fn sum(mut workers: JoinSet<Self>) -> Self {
        let mut sum = Self::default();
        while let Some(tally) = workers.join_next().await {
            let tally = tally.expect("a worker does not panic");
            for (replica, count) in tally.answered {
                *sum.answered.entry(replica).or_default() += count;
            }
            sum.failures.extend(tally.failures);
        }
        sum
    }
}
