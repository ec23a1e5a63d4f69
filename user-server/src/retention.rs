//! Forgets old changes and old request ids, so that the database does not grow with every write for
//! ever. Every replica does so; what one has forgotten the others find gone.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use service_runtime::chain::Chain;
use tokio_util::task::AbortOnDropHandle;

use crate::store::Store;

/// How many are forgotten in one transaction, so that writers do not wait long.
const BATCH: u16 = 500;

/// The longest and the shortest pause between two looks; between them it is a twentieth of the retention.
const PAUSES: (Duration, Duration) = (Duration::from_mins(10), Duration::from_secs(3));

/// Keeps forgetting while it lives.
#[derive(Debug)]
pub struct Forgetting {
    _task: AbortOnDropHandle<()>,
}

/// Starts to forget what is older than `retention`. Must be called on a tokio runtime.
pub fn start<S: Store>(store: S, retention: Duration) -> Forgetting {
    let task = AbortOnDropHandle::new(tokio::spawn(forget(store, retention)));
    Forgetting { _task: task }
}

async fn forget<S: Store>(store: S, retention: Duration) {
    let (longest, shortest) = PAUSES;
    let pause = (retention / 20).clamp(shortest, longest);
    loop {
        // Replicas that were started together do not all look at the same moment.
        tokio::time::sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
        if let Err(error) = forget_once(&store, retention).await {
            tracing::debug!(
                error = %Chain(&error),
                "old changes could not be forgotten; trying again later"
            );
        }
    }
}

async fn forget_once<S: Store>(store: &S, retention: Duration) -> Result<(), crate::store::Error> {
    let horizon = SystemTime::now()
        .checked_sub(retention)
        .and_then(|time| Timestamp::try_from(time).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH);
    while store.prune(horizon, BATCH).await? == usize::from(BATCH) {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Draft, NewUser, Position, User, UserId};
    use crate::store::{Config, Database, Error};

    #[tokio::test]
    async fn what_is_older_than_the_retention_is_forgotten_and_nothing_else() {
        let store = Database::open(&Config::default()).await.unwrap();
        for index in 0..3 {
            let email = format!("{index}@example.com");
            let new = NewUser::parse(Draft {
                display_name: "Ada",
                email: &email,
                age: None,
            });
            let id = UserId::new(uuid::Uuid::now_v7());
            let user = User::create(new.unwrap(), id, Timestamp::now());
            store.create(&user, None).await.unwrap();
        }
        let hour = Duration::from_hours(1);
        forget_once(&store, hour).await.unwrap();
        let kept = store.changes(Position::START, 10).await.unwrap();
        assert_eq!(kept.len(), 3, "they are younger than an hour");
        forget_once(&store, Duration::ZERO).await.unwrap();
        let changes = store.changes(Position::START, 10).await;
        assert!(matches!(changes, Err(Error::Pruned)), "{changes:?}");
        assert_eq!(store.head().await.unwrap(), Position::new(3));
    }
}
