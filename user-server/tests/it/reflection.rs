//! What tools such as grpcurl learn from the server.

use prost::Message as _;
use tonic_reflection::pb::{v1, v1alpha};

use crate::running::{Running, channel, settings};

const SERVICES: [&str; 4] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "user.v1.UserService",
];

#[tokio::test]
async fn version_1_lists_and_describes_everything() {
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;

    let server = Running::in_memory().await;
    let mut client =
        v1::server_reflection_client::ServerReflectionClient::new(channel(server.grpc).await);
    let symbols = ["user.v1.UserService.GetUser", "google.rpc.BadRequest"];
    let mut requests = vec![MessageRequest::ListServices(String::new())];
    requests.extend(symbols.map(|it| MessageRequest::FileContainingSymbol(it.to_owned())));
    let requests = requests
        .into_iter()
        .map(|request| v1::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(request),
        });
    let mut answers = client
        .server_reflection_info(tokio_stream::iter(requests.collect::<Vec<_>>()))
        .await
        .unwrap()
        .into_inner();
    let mut next = async || {
        answers
            .message()
            .await
            .unwrap()
            .unwrap()
            .message_response
            .unwrap()
    };

    let MessageResponse::ListServicesResponse(list) = next().await else {
        panic!("a list must come first");
    };
    let mut names: Vec<_> = list
        .service
        .into_iter()
        .map(|service| service.name)
        .collect();
    names.sort();
    let mut expected = SERVICES;
    expected.sort_unstable();
    assert_eq!(names, expected);
    for symbol in symbols {
        let MessageResponse::FileDescriptorResponse(file) = next().await else {
            panic!("{symbol} must be described");
        };
        let file = &file.file_descriptor_proto[0];
        prost_types::FileDescriptorProto::decode(file.as_slice()).unwrap();
    }
}

#[tokio::test]
async fn version_1_alpha_lists_the_same() {
    use v1alpha::server_reflection_request::MessageRequest;
    use v1alpha::server_reflection_response::MessageResponse;

    let server = Running::in_memory().await;
    let mut client =
        v1alpha::server_reflection_client::ServerReflectionClient::new(channel(server.grpc).await);
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = client
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("a list must come");
    };
    let mut names: Vec<_> = list
        .service
        .into_iter()
        .map(|service| service.name)
        .collect();
    names.sort();
    let mut expected = SERVICES;
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn one_setting_turns_it_off() {
    let mut settings = settings("sqlite::memory:");
    settings.reflection.enabled = false;
    let server = Running::start(settings).await;
    let mut client =
        v1::server_reflection_client::ServerReflectionClient::new(channel(server.grpc).await);
    let status = client
        .server_reflection_info(tokio_stream::empty())
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unimplemented);
}
