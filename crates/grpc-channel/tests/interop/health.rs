//! grpc-go's health service, watched through the channel.

use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::interop;

#[tokio::test]
async fn a_watch_sees_the_server_change_its_mind() {
    interop(async |go| {
        let mut server = go.serve(&[]).await;
        let mut client = HealthClient::new(server.channel());
        let whole_server = HealthCheckRequest::default();
        let response = client.watch(whole_server).await;
        let mut statuses = response.expect("the watch must begin").into_inner();
        for (command, expected) in [
            (None, ServingStatus::Serving),
            (Some("not-serving"), ServingStatus::NotServing),
            (Some("serving"), ServingStatus::Serving),
        ] {
            if let Some(command) = command {
                server.say(command).await;
            }
            let status = statuses.message().await.expect("the watch must go on");
            let status = status.expect("the watch must not end").status();
            assert_eq!(status, expected, "after {command:?}");
        }
    })
    .await;
}
