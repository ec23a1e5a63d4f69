//! Tells other replicas of changes, and hears of theirs: PostgreSQL's NOTIFY and LISTEN.
//!
//! A notification is only a hint that it is worth looking; what changed is read from the table. So it is
//! sent after the commit and not in the transaction, where it would add a round trip under the lock of
//! all writers; and one that is lost costs a poll interval and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use crate::instruments::FEED_INTERRUPTIONS;

const CHANNEL: &str = "changes";

const NOTIFY: &str = "SELECT pg_notify('changes', '')";

/// How long to wait after a failure. Changes are found by asking meanwhile.
const PAUSE: Duration = Duration::from_secs(1);

/// Who is to be told. Clones share the tasks behind it.
#[derive(Clone, Debug)]
pub(super) struct News {
    here: Arc<Notify>,
    others: Arc<Notify>,
    /// How often the connection that listens was lost.
    lost: Arc<AtomicU64>,
    tasks: Arc<[AbortOnDropHandle<()>]>,
}

/// Whether others are heard.
struct Hearing {
    is: bool,
    lost: Arc<AtomicU64>,
}

/// Starts to tell and to listen, if there is anybody to. Must be called on a tokio runtime.
pub(super) fn start(pool: &PgPool, notifications: bool) -> News {
    let here = Arc::new(Notify::new());
    let others = Arc::new(Notify::new());
    let lost = Arc::new(AtomicU64::new(0));
    let tasks = if notifications {
        vec![
            AbortOnDropHandle::new(tokio::spawn(tell(pool.clone(), Arc::clone(&others)))),
            AbortOnDropHandle::new(tokio::spawn(listen(
                pool.clone(),
                Arc::clone(&here),
                Arc::clone(&lost),
            ))),
        ]
    } else {
        Vec::new()
    };
    News {
        here,
        others,
        lost,
        tasks: tasks.into(),
    }
}

/// One notification for all writes since the last one.
async fn tell(pool: PgPool, writes: Arc<Notify>) {
    loop {
        writes.notified().await;
        if let Err(error) = sqlx::query(NOTIFY).execute(&pool).await {
            log(&error, "other replicas could not be told of a change");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn listen(pool: PgPool, news: Arc<Notify>, lost: Arc<AtomicU64>) {
    let mut hearing = Hearing { is: false, lost };
    loop {
        let Err(error) = hear(&pool, &news, &mut hearing).await;
        if hearing.is {
            hearing.ends();
        }
        log(&error, "listening for changes was interrupted");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn hear(
    pool: &PgPool,
    news: &Notify,
    hearing: &mut Hearing,
) -> Result<std::convert::Infallible, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    hearing.is = true;
    loop {
        // What was written before it listened, or while the connection was lost, is news too.
        news.notify_one();
        if listener.try_recv().await?.is_some() {
            hearing.is = true;
        } else {
            // The connection was lost; the next turn makes another one.
            hearing.ends();
        }
    }
}

/// Nothing that an operator must act upon: whether the database answers is readiness's to say.
fn log(error: &(dyn std::error::Error + 'static), message: &'static str) {
    tracing::debug!(error, "{message}");
}

// === impl News ===

impl News {
    /// Something was written here.
    pub(super) fn publish(&self) {
        self.here.notify_one();
        self.others.notify_one();
    }

    /// Lets `meter` observe how often others were not heard.
    pub(super) fn measure(&self, meter: &Meter) {
        let (lost, reason) = (
            Arc::clone(&self.lost),
            KeyValue::new("reason", "notifications"),
        );
        FEED_INTERRUPTIONS.observe_count(meter, [reason], move || lost.load(Ordering::Relaxed));
    }

    /// Tells nobody and hears nothing any more.
    pub(super) fn stop(&self) {
        for task in &*self.tasks {
            task.abort();
        }
    }

    /// Waits until something may have been written, here or elsewhere.
    pub(super) async fn wait(&self) {
        self.here.notified().await;
    }
}

// === impl Hearing ===

impl Hearing {
    fn ends(&mut self) {
        self.is = false;
        self.lost.fetch_add(1, Ordering::Relaxed);
    }
}
