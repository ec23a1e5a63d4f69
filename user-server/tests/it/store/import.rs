//! Batches.

use user_server::domain::Position;
use user_server::store::{IMPORT_MAX, Imported, Store as _};

use super::{Fixture, new, on_both_stores};

on_both_stores!(
    a_batch_keeps_all_but_the_taken_addresses,
    an_empty_batch_changes_nothing,
    the_largest_batch_fits,
    batches_at_once_take_every_address_once,
);

async fn a_batch_keeps_all_but_the_taken_addresses(it: Fixture) {
    it.store
        .create(&new("ada@example.com"), None)
        .await
        .unwrap();
    let batch = [
        new("one@example.com"),
        new("ADA@example.com"),
        new("two@example.com"),
        new("ONE@example.com"),
    ];
    let outcomes = it.store.import(&batch).await.unwrap();
    assert_eq!(
        outcomes,
        [
            Imported::Created,
            Imported::EmailTaken,
            Imported::Created,
            Imported::EmailTaken
        ]
    );
    let changes = it.store.changes(Position::new(1), 10).await.unwrap();
    let added: Vec<_> = changes.into_iter().map(|change| change.user).collect();
    assert_eq!(added, [batch[0].clone(), batch[2].clone()]);
    for user in added {
        assert_eq!(it.store.get(user.id).await.unwrap().unwrap().user, user);
    }
}

async fn an_empty_batch_changes_nothing(it: Fixture) {
    assert_eq!(it.store.import(&[]).await.unwrap(), []);
    assert_eq!(it.store.head().await.unwrap(), Position::START);
}

async fn the_largest_batch_fits(it: Fixture) {
    let batch: Vec<_> = (0..IMPORT_MAX)
        .map(|index| new(&format!("{index}@example.com")))
        .collect();
    let outcomes = it.store.import(&batch).await.unwrap();
    assert_eq!(outcomes, vec![Imported::Created; IMPORT_MAX]);
    assert_eq!(it.store.head().await.unwrap().get(), 1000);
}

async fn batches_at_once_take_every_address_once(it: Fixture) {
    let stores = [it.store.clone(), it.another().await];
    let tasks: Vec<_> = (0..6)
        .map(|index| {
            let store = stores[index % 2].clone();
            let mut batch: Vec<_> = (0..50)
                .map(|number| new(&format!("{number}@example.com")))
                .collect();
            // In opposite orders, which deadlocks what locks row by row.
            if index % 2 == 1 {
                batch.reverse();
            }
            tokio::spawn(async move { store.import(&batch).await.unwrap() })
        })
        .collect();
    let mut created = 0;
    for task in tasks {
        let outcomes = task.await.unwrap();
        created += outcomes
            .iter()
            .filter(|it| **it == Imported::Created)
            .count();
    }
    assert_eq!(created, 50);
    assert_eq!(it.store.head().await.unwrap().get(), 50);
}
