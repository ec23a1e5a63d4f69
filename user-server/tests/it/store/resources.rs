//! Resources: created, found, listed, updated, deleted.

use jiff::Timestamp;
use user_server::domain::{Draft, Etag, Ids, Query, User};
use user_server::store::{Database, Error, Store as _};
use uuid::Uuid;

use super::{Fixture, named, new, on_both_stores, update};

on_both_stores!(
    what_was_created_is_found_by_its_id_and_by_its_email_in_any_case,
    what_is_not_there_is_not_found,
    a_batch_finds_each_once,
    pages_are_in_the_order_of_creation_and_complete,
    an_email_that_is_taken_is_refused_and_leaves_no_trace,
    an_update_changes_what_it_names,
    an_update_with_a_stale_etag_changes_nothing,
    an_update_to_a_taken_email_is_refused,
    updates_at_once_are_all_applied,
    of_two_updates_with_the_same_etag_one_wins,
    what_was_deleted_is_gone_and_its_email_is_free,
    a_deletion_with_a_stale_etag_deletes_nothing,
);

async fn what_was_created_is_found_by_its_id_and_by_its_email_in_any_case(it: Fixture) {
    let user = named("Владимир 李小龍", "Ada@Example.com");
    let change = it.store.create(&user, None).await.unwrap();
    assert_eq!(change.user, user);
    let stored = it.store.get(user.id).await.unwrap().unwrap();
    assert_eq!(stored.user, user);
    assert_eq!(stored.position, change.position);
    let email = "aDA@example.COM".parse().unwrap();
    assert_eq!(it.store.find_by_email(&email).await.unwrap(), Some(user));
}

async fn what_is_not_there_is_not_found(it: Fixture) {
    let nobody = new("nobody@example.com");
    assert_eq!(it.store.get(nobody.id).await.unwrap(), None);
    assert_eq!(it.store.find_by_email(&nobody.email).await.unwrap(), None);
    let changed = update(
        nobody.id,
        "",
        Draft {
            age: Some(1),
            ..Draft::default()
        },
    );
    let error = it
        .store
        .update(&changed, Timestamp::now())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotFound), "{error:?}");
    let deleted = it.store.delete(nobody.id, None, Timestamp::now()).await;
    assert!(matches!(deleted, Err(Error::NotFound)), "{deleted:?}");
    assert_eq!(it.store.head().await.unwrap().get(), 0, "nothing changed");
}

async fn a_batch_finds_each_once(it: Fixture) {
    let mut ids = Vec::new();
    for index in 0..1000 {
        ids.push(Uuid::now_v7().to_string());
        if index < 3 {
            let user = new(&format!("{index}@example.com"));
            it.store.create(&user, None).await.unwrap();
            ids[index] = user.id.to_string();
        }
    }
    let first = ids[0].clone();
    ids[999] = first;
    let found = it
        .store
        .batch_get(&Ids::parse(&ids).unwrap())
        .await
        .unwrap();
    let mut found: Vec<_> = found.iter().map(|user| user.id.to_string()).collect();
    found.sort();
    assert_eq!(found, ids[..3]);
}

async fn pages_are_in_the_order_of_creation_and_complete(it: Fixture) {
    let mut users = Vec::new();
    for index in 0..10 {
        let name = if index % 2 == 0 { "Äda" } else { "äda" };
        let user = named(&format!("{name} {index}"), &format!("{index}@example.com"));
        it.store.create(&user, None).await.unwrap();
        users.push(user);
    }
    for prefix in ["", "Ä", "ä", "Äda 4", "%", "_"] {
        let expected: Vec<_> = users
            .iter()
            .filter(|user| user.display_name.as_str().starts_with(prefix))
            .cloned()
            .collect();
        let mut seen: Vec<User> = Vec::new();
        let mut token = String::new();
        loop {
            let query = Query::parse(3, &token, prefix).unwrap();
            let page = it.store.list(&query).await.unwrap();
            seen.extend(page.users);
            match page.next {
                Some(next) => token = next.to_string(),
                None => break,
            }
        }
        assert_eq!(seen, expected, "{prefix:?}");
    }
}

async fn an_email_that_is_taken_is_refused_and_leaves_no_trace(it: Fixture) {
    it.store
        .create(&new("ada@example.com"), None)
        .await
        .unwrap();
    let error = it.store.create(&new("ADA@example.com"), None).await;
    assert!(matches!(error, Err(Error::EmailTaken)), "{error:?}");
    assert_eq!(it.store.head().await.unwrap().get(), 1);
}

async fn an_update_changes_what_it_names(it: Fixture) {
    let user = new("ada@example.com");
    it.store.create(&user, None).await.unwrap();
    let values = Draft {
        email: "ada@example.org",
        ..Draft::default()
    };
    let updated = it
        .store
        .update(
            &update(user.id, &user.etag().to_string(), values),
            Timestamp::now(),
        )
        .await
        .unwrap();
    assert_eq!(updated.user.email.as_str(), "ada@example.org");
    assert_eq!(updated.user.display_name, user.display_name);
    assert_eq!(updated.user.revision, 2);
    assert!(updated.user.update_time >= user.update_time);
    let stored = it.store.get(user.id).await.unwrap().unwrap();
    assert_eq!(
        (stored.user, stored.position),
        (updated.user, updated.position)
    );
    let old = "ada@example.com".parse().unwrap();
    assert_eq!(it.store.find_by_email(&old).await.unwrap(), None);
}

async fn an_update_with_a_stale_etag_changes_nothing(it: Fixture) {
    let user = new("ada@example.com");
    it.store.create(&user, None).await.unwrap();
    for etag in ["00000002", "nonsense"] {
        let values = Draft {
            age: Some(1),
            ..Draft::default()
        };
        let error = it
            .store
            .update(&update(user.id, etag, values), Timestamp::now())
            .await;
        assert!(matches!(error, Err(Error::EtagMismatch)), "{error:?}");
    }
    assert_eq!(it.store.get(user.id).await.unwrap().unwrap().user, user);
}

async fn an_update_to_a_taken_email_is_refused(it: Fixture) {
    it.store
        .create(&new("ada@example.com"), None)
        .await
        .unwrap();
    let bob = new("bob@example.com");
    it.store.create(&bob, None).await.unwrap();
    let values = Draft {
        email: "ADA@example.com",
        ..Draft::default()
    };
    let error = it
        .store
        .update(&update(bob.id, "", values), Timestamp::now())
        .await;
    assert!(matches!(error, Err(Error::EmailTaken)), "{error:?}");
    assert_eq!(it.store.head().await.unwrap().get(), 2);
    // Its own address in another spelling is not taken.
    let values = Draft {
        email: "BOB@example.com",
        ..Draft::default()
    };
    it.store
        .update(&update(bob.id, "", values), Timestamp::now())
        .await
        .unwrap();
}

async fn updates_at_once_are_all_applied(it: Fixture) {
    let user = new("ada@example.com");
    it.store.create(&user, None).await.unwrap();
    let tasks: Vec<_> = [it.store.clone(), it.another().await]
        .into_iter()
        .map(|store| {
            let update = update(
                user.id,
                "",
                Draft {
                    age: Some(7),
                    ..Draft::default()
                },
            );
            tokio::spawn(async move {
                for _ in 0..10 {
                    store.update(&update, Timestamp::now()).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let stored = it.store.get(user.id).await.unwrap().unwrap();
    assert_eq!(stored.user.revision, 21);
    assert_eq!(stored.position.get(), 21);
}

async fn of_two_updates_with_the_same_etag_one_wins(it: Fixture) {
    let user = new("ada@example.com");
    it.store.create(&user, None).await.unwrap();
    let stores = [it.store.clone(), it.another().await];
    let tasks: Vec<_> = (0..8)
        .map(|index| {
            let store = stores[index % 2].clone();
            let values = Draft {
                age: Some(i32::try_from(index).unwrap()),
                ..Draft::default()
            };
            let update = update(user.id, &user.etag().to_string(), values);
            tokio::spawn(async move { store.update(&update, Timestamp::now()).await })
        })
        .collect();
    let mut wins = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => wins += 1,
            Err(error) => assert!(matches!(error, Error::EtagMismatch), "{error:?}"),
        }
    }
    assert_eq!(wins, 1);
}

async fn what_was_deleted_is_gone_and_its_email_is_free(it: Fixture) {
    let user = new("ada@example.com");
    it.store.create(&user, None).await.unwrap();
    let etag = user.etag();
    let deleted = it
        .store
        .delete(user.id, Some(&etag), Timestamp::now())
        .await
        .unwrap();
    assert_eq!(deleted.user, user, "a deletion tells what was deleted");
    assert_eq!(it.store.get(user.id).await.unwrap(), None);
    it.store
        .create(&new("ada@example.com"), None)
        .await
        .unwrap();
}

async fn a_deletion_with_a_stale_etag_deletes_nothing(it: Fixture) {
    let user = new("ada@example.com");
    it.store.create(&user, None).await.unwrap();
    let stale = Etag::from("00000007");
    let error = it
        .store
        .delete(user.id, Some(&stale), Timestamp::now())
        .await;
    assert!(matches!(error, Err(Error::EtagMismatch)), "{error:?}");
    assert!(it.store.get(user.id).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_that_start_at_once_on_an_empty_database_find_the_tables_made() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = crate::postgres::database().await;
    for url in [Some(super::sqlite_url(&folder)), postgres]
        .into_iter()
        .flatten()
    {
        let start = || {
            let config = super::config(&url);
            tokio::spawn(async move { Database::open(&config).await })
        };
        let starts = [start(), start(), start()];
        for (index, start) in starts.into_iter().enumerate() {
            let store = start.await.unwrap().unwrap();
            let user = new(&format!("{index}@example.com"));
            store.create(&user, None).await.unwrap();
        }
    }
}

/// What CockroachDB and YugabyteDB do by default: a transaction that would have to wait for another one
/// is refused, and has to be tried again.
#[tokio::test(flavor = "multi_thread")]
async fn refused_serializations_are_tried_again() {
    let Some(url) = crate::postgres::database().await else {
        return;
    };
    let url = format!("{url}&options=-c%20default_transaction_isolation%3Dserializable");
    let store = Database::open(&super::config(&url)).await.unwrap();
    let user = new("ada@example.com");
    store.create(&user, None).await.unwrap();
    let writers: Vec<_> = (0..3)
        .map(|_| {
            let store = store.clone();
            let values = Draft {
                age: Some(7),
                ..Draft::default()
            };
            let update = update(user.id, "", values);
            tokio::spawn(async move {
                let mut applied = 0;
                for _ in 0..20 {
                    match store.update(&update, Timestamp::now()).await {
                        Ok(_) => applied += 1,
                        // Six times in a row somebody else was faster.
                        Err(Error::Contended(Some(_))) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
                applied
            })
        })
        .collect();
    let mut applied = 0;
    for writer in writers {
        applied += writer.await.unwrap();
    }
    assert!(applied >= 40, "most get through: {applied} of 60");
    let stored = store.get(user.id).await.unwrap().unwrap();
    assert_eq!(
        stored.user.revision,
        1 + applied,
        "what was applied was applied once, and what was refused not at all"
    );
    assert_eq!(stored.position.get(), u64::from(1 + applied));
}
