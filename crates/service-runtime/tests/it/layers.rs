//! What every call gets, whatever becomes of it.

use tonic::metadata::MetadataMap;
use tonic::{Code, Request};

use crate::subject::{asking, connect, on_a_free_port, start};

fn assert_identified(metadata: &MetadataMap) {
    assert_eq!(metadata.get("x-served-by").unwrap(), "replica-1");
    assert_eq!(metadata.get("x-version").unwrap(), "1.2.3");
    assert_eq!(metadata.get("x-request-id").unwrap().len(), 32);
}

#[tokio::test]
async fn every_response_names_the_replica_and_its_version() {
    let (server, _gate) = start(on_a_free_port());
    let mut client = connect(server.local_address()).await;
    assert_identified(client.check(asking("")).await.unwrap().metadata());
    assert_identified(client.watch(asking("")).await.unwrap().metadata());
    assert_identified(client.check(asking("fails")).await.unwrap_err().metadata());
    assert_identified(client.check(asking("panics")).await.unwrap_err().metadata());
}

#[tokio::test]
async fn a_callers_request_id_comes_back() {
    let (server, _gate) = start(on_a_free_port());
    let mut client = connect(server.local_address()).await;
    let mut request = Request::new(asking(""));
    request
        .metadata_mut()
        .insert("x-request-id", "order-17".parse().unwrap());
    let response = client.check(request).await.unwrap();
    assert_eq!(response.metadata().get("x-request-id").unwrap(), "order-17");
}

#[tokio::test]
async fn a_panic_is_internal_and_harms_no_other_call() {
    let (server, gate) = start(on_a_free_port());
    let mut client = connect(server.local_address()).await;
    let mut other = client.clone();
    let in_flight = tokio::spawn(async move { other.check(asking("slow")).await });
    gate.reached_by(1).await;

    let status = client.check(asking("panics")).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(!status.message().contains("on purpose"), "{status}");

    let mut stream = client.watch(asking("panics")).await.unwrap().into_inner();
    stream.message().await.unwrap().expect("the first message");
    let status = stream.message().await.unwrap_err();
    assert_eq!(
        status.code(),
        Code::Internal,
        "also in the middle of a stream"
    );

    gate.open();
    in_flight.await.unwrap().unwrap();
}
