//! The order of all changes.

use jiff::{SignedDuration, Timestamp};
use user_server::domain::{ChangeKind, Draft, Position};
use user_server::store::{Error, Store as _};

use super::{Fixture, new, on_both_stores, update};
use crate::running::soon;

on_both_stores!(
    every_write_is_a_change,
    a_reader_beside_many_writers_misses_nothing,
    changes_that_are_not_kept_are_an_error_and_not_a_gap,
    old_changes_are_forgotten_from_the_beginning,
    the_initial_state_and_the_changes_after_it_are_everything,
    a_write_is_news_here,
);

async fn every_write_is_a_change(it: Fixture) {
    let user = new("ada@example.com");
    let now = Timestamp::now();
    let added = it.store.create(&user, None).await.unwrap();
    let values = Draft {
        age: Some(1),
        ..Draft::default()
    };
    let updated = it
        .store
        .update(&update(user.id, "", values), now)
        .await
        .unwrap();
    let deleted = it.store.delete(user.id, None, now).await.unwrap();
    assert_eq!(
        [added.kind, updated.kind, deleted.kind],
        [ChangeKind::Added, ChangeKind::Updated, ChangeKind::Deleted]
    );
    let changes = it.store.changes(Position::START, 10).await.unwrap();
    assert_eq!(changes, [added, updated, deleted]);
    let rest = it.store.changes(Position::new(2), 10).await.unwrap();
    assert_eq!(rest, changes[2..]);
    let first = it.store.changes(Position::START, 1).await.unwrap();
    assert_eq!(first, changes[..1]);
    assert_eq!(it.store.head().await.unwrap(), changes[2].position);
}

async fn a_reader_beside_many_writers_misses_nothing(it: Fixture) {
    const WRITERS: usize = 8;
    const EACH: usize = 15;
    let stores = [it.store.clone(), it.another().await];
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = stores[writer % 2].clone();
            tokio::spawn(async move {
                for index in 0..EACH {
                    let user = new(&format!("{writer}-{index}@example.com"));
                    store.create(&user, None).await.unwrap();
                }
            })
        })
        .collect();
    let mut seen = Position::START;
    soon("every change", async {
        while seen.get() < u64::try_from(WRITERS * EACH).unwrap() {
            // A position that became visible before an earlier one would be an error here.
            for change in it.store.changes(seen, 7).await.unwrap() {
                assert!(change.position.follows(seen), "positions have no gaps");
                seen = change.position;
            }
        }
    })
    .await;
    for writer in writers {
        writer.await.unwrap();
    }
}

async fn changes_that_are_not_kept_are_an_error_and_not_a_gap(it: Fixture) {
    for index in 0..5 {
        let user = new(&format!("{index}@example.com"));
        it.store.create(&user, None).await.unwrap();
    }
    let later = Timestamp::now() + SignedDuration::from_hours(1);
    assert_eq!(it.store.prune(later, 3).await.unwrap(), 3, "at most 3");
    let error = it.store.changes(Position::new(2), 10).await;
    assert!(matches!(error, Err(Error::Pruned)), "{error:?}");
    let kept = it.store.changes(Position::new(3), 10).await.unwrap();
    assert_eq!(kept.len(), 2);

    assert_eq!(it.store.prune(later, 1000).await.unwrap(), 2);
    let error = it.store.changes(Position::new(4), 10).await;
    assert!(matches!(error, Err(Error::Pruned)), "{error:?}");
    assert_eq!(it.store.changes(Position::new(5), 10).await.unwrap(), []);
    let error = it.store.changes(Position::new(6), 10).await;
    assert!(
        matches!(error, Err(Error::Pruned)),
        "a position of another database: {error:?}"
    );
    let user = new("later@example.com");
    let change = it.store.create(&user, None).await.unwrap();
    assert_eq!(change.position.get(), 6, "positions are never used again");
}

async fn old_changes_are_forgotten_from_the_beginning(it: Fixture) {
    it.store.create(&new("a@example.com"), None).await.unwrap();
    assert_eq!(
        it.store.prune(Timestamp::UNIX_EPOCH, 10).await.unwrap(),
        0,
        "what is young is kept"
    );
    let request = "01890a5d-ac96-474b-bcce-b302099a8057".parse().unwrap();
    let first = it
        .store
        .create(&new("b@example.com"), Some(request))
        .await
        .unwrap();
    let later = Timestamp::now() + SignedDuration::from_hours(1);
    assert_eq!(it.store.prune(later, 10).await.unwrap(), 2);
    let second = it
        .store
        .create(&new("c@example.com"), Some(request))
        .await
        .unwrap();
    assert_ne!(
        first.user.id, second.user.id,
        "the request is forgotten too"
    );
}

async fn the_initial_state_and_the_changes_after_it_are_everything(it: Fixture) {
    let mut users: Vec<_> = (0..6)
        .map(|index| new(&format!("{index}@example.com")))
        .collect();
    for user in &users {
        it.store.create(user, None).await.unwrap();
    }
    let head = it.store.head().await.unwrap();
    let values = Draft {
        age: Some(1),
        ..Draft::default()
    };
    let now = Timestamp::now();
    it.store
        .update(&update(users[3].id, "", values), now)
        .await
        .unwrap();
    it.store.delete(users[1].id, None, now).await.unwrap();
    it.store
        .create(&new("late@example.com"), None)
        .await
        .unwrap();

    let mut state = Vec::new();
    let mut after = None;
    loop {
        let page = it.store.unchanged_since(head, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        state.extend(page);
    }
    users.remove(3);
    users.remove(1);
    assert_eq!(state, users);
    assert_eq!(it.store.changes(head, 10).await.unwrap().len(), 3);
}

async fn a_write_is_news_here(it: Fixture) {
    // What there was before is no news.
    while tokio::time::timeout(std::time::Duration::from_millis(100), it.store.news())
        .await
        .is_ok()
    {}
    it.store.create(&new("a@example.com"), None).await.unwrap();
    soon("news", it.store.news()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_tells_other_replicas_of_a_write() {
    let Some(it) = Fixture::postgres().await else {
        return;
    };
    let other = it.another().await;
    soon("news", async {
        // Listening begins a moment after the start, and its beginning is news too; so writes go on
        // until one of them is told by the other replica alone.
        let mut told = 0;
        for index in 0.. {
            let user = new(&format!("{index}@example.com"));
            it.store.create(&user, None).await.unwrap();
            other.news().await;
            told += 1;
            if told == 3 {
                break;
            }
        }
    })
    .await;
}
