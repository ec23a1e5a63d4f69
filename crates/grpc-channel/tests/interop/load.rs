//! A steady load on several servers: workers that call again and again and keep the books.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use grpc_channel::Channel;
use tokio::task::JoinSet;
use tonic::Status;

use crate::client::served_by;
use crate::messages::SimpleRequest;
use crate::{Client, wait_until};

/// What the workers call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Method {
    /// `EmptyCall`, which is idempotent.
    Idempotent,
    /// `UnaryCall`, of which nothing is known.
    Other,
}

/// Calls that go on until they are stopped.
pub(crate) struct Load {
    workers: JoinSet<Tally>,
    progress: Arc<Progress>,
}

#[derive(Default)]
struct Progress {
    stop: AtomicBool,
    answered: AtomicU64,
}

/// What became of the calls.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// How many calls each server answered, by its address.
    pub(crate) answered: BTreeMap<String, u64>,
    pub(crate) failures: Vec<Status>,
}

/// Makes so many calls, split evenly between the workers.
pub(crate) async fn burst(channel: &Channel, workers: u64, calls_each: u64) -> Tally {
    let mut tasks = JoinSet::new();
    for _ in 0..workers {
        let client = Client::new(channel);
        tasks.spawn(async move {
            let mut tally = Tally::default();
            for _ in 0..calls_each {
                tally.call(&client, Method::Other).await;
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
                    tally.call(&client, method).await;
                    progress.answered.fetch_add(1, Ordering::SeqCst);
                }
                tally
            });
        }
        Self {
            workers: tasks,
            progress,
        }
    }

    /// Waits until so many more calls have ended.
    pub(crate) async fn more(&self, calls: u64) {
        let ended = || self.progress.answered.load(Ordering::SeqCst);
        let enough = ended() + calls;
        wait_until(format!("{calls} more calls end"), || ended() >= enough).await;
    }

    /// Ends when the last call has.
    pub(crate) async fn stop(self) -> Tally {
        self.progress.stop.store(true, Ordering::SeqCst);
        Tally::sum(self.workers).await
    }
}

// === impl Tally ===

impl Tally {
    pub(crate) fn assert_no_failure(&self) {
        let count = self.failures.len();
        let first = self.failures.first();
        assert!(
            first.is_none(),
            "no call may fail; {count} did, first: {first:?}"
        );
    }

    async fn call(&mut self, client: &Client, method: Method) {
        let replica = match method {
            Method::Idempotent => client.empty_call().await.map(|r| served_by(&r)),
            Method::Other => {
                let response = client.unary_call(SimpleRequest::sized(1, 1)).await;
                response.map(|response| served_by(&response))
            }
        };
        match replica {
            Ok(replica) => *self.answered.entry(replica).or_default() += 1,
            Err(status) => self.failures.push(status),
        }
        // A failure need not wait for anything; the others want to run as well.
        tokio::task::yield_now().await;
    }

    async fn sum(workers: JoinSet<Self>) -> Self {
        let mut sum = Self::default();
        for tally in workers.join_all().await {
            for (replica, count) in tally.answered {
                *sum.answered.entry(replica).or_default() += count;
            }
            sum.failures.extend(tally.failures);
        }
        sum
    }
}
