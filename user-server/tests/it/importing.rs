//! `ImportUsers`, over real sockets.

use tokio_stream::wrappers::ReceiverStream;
use user_api::v1;

use crate::running::{Running, creation, databases, draft, settings, soon};

fn row(user: v1::User) -> v1::ImportUsersRequest {
    v1::ImportUsersRequest { user: Some(user) }
}

fn numbered(number: usize) -> v1::ImportUsersRequest {
    row(draft("Ada", &format!("{number}@example.com")))
}

async fn count(server: &Running) -> usize {
    let mut client = server.client().await;
    let mut count = 0;
    let mut page_token = String::new();
    loop {
        let request = v1::ListUsersRequest {
            page_size: 1000,
            page_token,
            ..v1::ListUsersRequest::default()
        };
        let page = client.list_users(request).await.unwrap().into_inner();
        count += page.users.len();
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return count;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_are_reported_by_index_and_the_others_kept() {
    for database in databases().await {
        let server = Running::start(settings(&database.url)).await;
        let mut client = server.client().await;
        client
            .create_user(creation("Ada", "taken@example.com"))
            .await
            .unwrap();
        let mut rows: Vec<_> = (0..1100).map(numbered).collect();
        rows[3] = row(draft("", "nobody"));
        rows[4] = v1::ImportUsersRequest::default();
        rows[700] = row(draft("Ada", "TAKEN@example.com"));
        rows[1001] = numbered(2);
        let summary = client.import_users(tokio_stream::iter(rows)).await;
        let summary = summary.unwrap().into_inner();
        assert_eq!(summary.received_count, 1100);
        assert_eq!(summary.created_count, 1096);
        assert_eq!(summary.refused_count, 4);
        let errors: Vec<_> = summary
            .errors
            .iter()
            .map(|error| (error.index, &*error.reason))
            .collect();
        assert_eq!(
            errors,
            [
                (3, "INVALID_FIELDS"),
                (4, "INVALID_FIELDS"),
                (700, "EMAIL_TAKEN"),
                (1001, "EMAIL_TAKEN")
            ]
        );
        for part in ["user.display_name", "user.email"] {
            assert!(summary.errors[0].message.contains(part), "{part}");
        }
        assert_eq!(count(&server).await, 1097);
    }
}

#[tokio::test]
async fn at_most_1000_refused_rows_are_reported() {
    let server = Running::in_memory().await;
    let rows = (0..2500).map(|_| row(draft("", "")));
    let mut client = server.client().await;
    let summary = client.import_users(tokio_stream::iter(rows));
    let summary = summary.await.unwrap().into_inner();
    assert_eq!(summary.refused_count, 2500);
    let indices: Vec<_> = summary.errors.iter().map(|error| error.index).collect();
    assert_eq!(indices, (0..1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_empty_import_creates_nothing() {
    let server = Running::in_memory().await;
    let nothing = tokio_stream::empty();
    let summary = server.client().await.import_users(nothing).await.unwrap();
    assert_eq!(summary.into_inner(), v1::ImportUsersResponse::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_import_leaves_whole_batches() {
    for database in databases().await {
        let server = Running::start(settings(&database.url)).await;
        let mut client = server.client().await;
        let (rows, receiver) = tokio::sync::mpsc::channel(1);
        let import = tokio::spawn(async move {
            let rows = ReceiverStream::new(receiver);
            client.import_users(rows).await
        });
        for number in 0..1700 {
            rows.send(numbered(number)).await.unwrap();
        }
        soon("three batches", async {
            while count(&server).await < 1500 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        import.abort();
        assert!(import.await.unwrap_err().is_cancelled());
        // A drain waits for whatever the call still does.
        server.stop().await;
        let server = Running::start(settings(&database.url)).await;
        assert_eq!(count(&server).await, 1500, "200 rows made no batch");
    }
}
