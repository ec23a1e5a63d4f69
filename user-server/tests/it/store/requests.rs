//! Creations that are repeated by their request id.

use jiff::Timestamp;
use user_server::domain::{Draft, RequestId};
use user_server::store::{Error, Store as _};
use uuid::Uuid;

use super::{Fixture, new, on_both_stores, update};

on_both_stores!(
    a_repeated_request_returns_the_first_result_whatever_became_of_it,
    a_request_that_was_refused_may_be_repeated,
    the_same_request_on_two_replicas_at_once_creates_one,
);

fn request() -> RequestId {
    Uuid::new_v4().to_string().parse().unwrap()
}

async fn a_repeated_request_returns_the_first_result_whatever_became_of_it(it: Fixture) {
    let request = request();
    let first = it
        .store
        .create(&new("ada@example.com"), Some(request))
        .await
        .unwrap();
    let again = || async {
        let another = new("somebody@example.com");
        it.store.create(&another, Some(request)).await.unwrap()
    };
    assert_eq!(again().await, first);
    let values = Draft {
        age: Some(1),
        ..Draft::default()
    };
    let now = Timestamp::now();
    it.store
        .update(&update(first.user.id, "", values), now)
        .await
        .unwrap();
    assert_eq!(again().await, first, "as it was first, not as it is");
    it.store.delete(first.user.id, None, now).await.unwrap();
    assert_eq!(again().await, first, "a repetition brings nothing back");
    assert_eq!(it.store.get(first.user.id).await.unwrap(), None);
    assert_eq!(it.store.head().await.unwrap().get(), 3);
}

async fn a_request_that_was_refused_may_be_repeated(it: Fixture) {
    let taken = new("ada@example.com");
    it.store.create(&taken, None).await.unwrap();
    let request = request();
    let refused = it
        .store
        .create(&new("ada@example.com"), Some(request))
        .await;
    assert!(matches!(refused, Err(Error::EmailTaken)), "{refused:?}");
    it.store
        .delete(taken.id, None, Timestamp::now())
        .await
        .unwrap();
    it.store
        .create(&new("ada@example.com"), Some(request))
        .await
        .expect("a refusal is not remembered");
}

async fn the_same_request_on_two_replicas_at_once_creates_one(it: Fixture) {
    let stores = [it.store.clone(), it.another().await];
    for round in 1..=10 {
        let request = request();
        let tasks: Vec<_> = (0..6)
            .map(|index| {
                let store = stores[index % 2].clone();
                // Each call has its own id and, as repeated calls have, the same address.
                let user = new(&format!("{round}@example.com"));
                tokio::spawn(async move { store.create(&user, Some(request)).await.unwrap() })
            })
            .collect();
        let mut results = Vec::new();
        for task in tasks {
            results.push(task.await.unwrap());
        }
        assert!(
            results.iter().all(|result| *result == results[0]),
            "all get the first result: {results:#?}"
        );
        assert_eq!(it.store.head().await.unwrap().get(), round);
    }
}
