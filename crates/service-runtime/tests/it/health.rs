//! `grpc.health.v1` as its specification has it.

use service_runtime::health::pb::health_client::HealthClient;
use service_runtime::health::pb::{HealthCheckResponse, HealthListRequest};
use service_runtime::health::{LIVENESS, OVERALL, Reporter, ServingStatus};
use service_runtime::server::Running;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Code, Streaming};

use crate::subject::{asking, connect, on_a_free_port, soon};

async fn start(health: &Reporter) -> (Running, HealthClient<Channel>) {
    let bound = on_a_free_port().bind().unwrap();
    let server = bound.serve(Routes::new(health.service()).prepare());
    let client = connect(server.local_address()).await;
    (server, client)
}

async fn next(stream: &mut Streaming<HealthCheckResponse>) -> Option<ServingStatus> {
    soon("the next status", stream.message())
        .await
        .unwrap()
        .map(|response| response.status())
}

#[tokio::test]
async fn check_answers_for_what_is_registered() {
    let health = Reporter::new(["a.v1.A"]);
    let (_server, mut client) = start(&health).await;
    let status = |response: tonic::Response<HealthCheckResponse>| response.into_inner().status();

    let first = client.check(asking("a.v1.A")).await.unwrap();
    assert_eq!(status(first), ServingStatus::NotServing);
    health.set_all(true);
    for service in ["a.v1.A", OVERALL] {
        let response = client.check(asking(service)).await.unwrap();
        assert_eq!(status(response), ServingStatus::Serving, "{service:?}");
    }
    let unknown = client.check(asking("b.v1.B")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}

#[tokio::test]
async fn list_has_every_service() {
    let health = Reporter::new(["a.v1.A", "b.v1.B"]);
    let (_server, mut client) = start(&health).await;
    health.set("b.v1.B", true);
    let statuses = client
        .list(HealthListRequest {})
        .await
        .unwrap()
        .into_inner()
        .statuses;
    let status = |service| statuses[service].status();
    assert_eq!(statuses.len(), 4);
    assert_eq!(status(""), ServingStatus::NotServing);
    assert_eq!(status(LIVENESS), ServingStatus::Serving);
    assert_eq!(status("a.v1.A"), ServingStatus::NotServing);
    assert_eq!(status("b.v1.B"), ServingStatus::Serving);
}

#[tokio::test]
async fn watch_sends_changes_only_and_ends_with_the_server() {
    let health = Reporter::new(["a.v1.A", "b.v1.B"]);
    let (_server, mut client) = start(&health).await;
    let mut stream = client.watch(asking("a.v1.A")).await.unwrap().into_inner();
    assert_eq!(next(&mut stream).await, Some(ServingStatus::NotServing));
    // What does not change this service must not be sent: the next status is the change.
    health.set("b.v1.B", true);
    health.set("a.v1.A", false);
    health.set("a.v1.A", true);
    assert_eq!(next(&mut stream).await, Some(ServingStatus::Serving));
    health.drain();
    assert_eq!(next(&mut stream).await, Some(ServingStatus::NotServing));
    health.close();
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test]
async fn watch_waits_for_a_service_that_is_not_there_yet() {
    let health = Reporter::new([]);
    let (_server, mut client) = start(&health).await;
    let mut stream = client
        .watch(asking("late.v1.A"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(next(&mut stream).await, Some(ServingStatus::ServiceUnknown));
    health.register("late.v1.A");
    assert_eq!(next(&mut stream).await, Some(ServingStatus::NotServing));
    health.set("late.v1.A", true);
    assert_eq!(next(&mut stream).await, Some(ServingStatus::Serving));
}
