//! Tells other replicas of changes, and hears of theirs: PostgreSQL's NOTIFY and LISTEN.
//!
//! A notification is only a hint that it is worth looking; what changed is read from the table. So it is
//! sent after the commit and not in the transaction, where it would add a round trip under the lock of
//! all writers; and one that is lost costs a poll interval and nothing else.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

const CHANNEL: &str = "changes";

const NOTIFY: &str = "SELECT pg_notify('changes', '')";

/// How long to wait after a failure. Changes are found by asking meanwhile.
const PAUSE: Duration = Duration::from_secs(1);

/// Who is to be told. Clones share the tasks behind it.
#[derive(Clone, Debug)]
pub(super) struct News {
    here: Arc<Notify>,
    others: Arc<Notify>,
    tasks: Arc<[AbortOnDropHandle<()>]>,
}

/// Starts to tell and to listen, if there is anybody to. Must be called on a tokio runtime.
pub(super) fn start(pool: &PgPool, notifications: bool) -> News {
    let here = Arc::new(Notify::new());
    let others = Arc::new(Notify::new());
    let tasks = if notifications {
        vec![
            AbortOnDropHandle::new(tokio::spawn(tell(pool.clone(), Arc::clone(&others)))),
            AbortOnDropHandle::new(tokio::spawn(listen(pool.clone(), Arc::clone(&here)))),
        ]
    } else {
        Vec::new()
    };
    News {
        here,
        others,
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

async fn listen(pool: PgPool, news: Arc<Notify>) {
    loop {
        let Err(error) = hear(&pool, &news).await;
        log(&error, "listening for changes was interrupted");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn hear(pool: &PgPool, news: &Notify) -> Result<std::convert::Infallible, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // What was written before it listened, or while the connection was lost, is news too.
        news.notify_one();
        listener.try_recv().await?;
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
