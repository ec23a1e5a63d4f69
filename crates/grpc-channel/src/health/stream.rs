//! One `grpc.health.v1.Health/Watch` call, written by hand on a given connection.
//!
//! It must not be balanced, retried or made to wait like another call: it asks this one replica.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Uri, Version, header};
use http_body::Body as _;
use prost::Message as _;
use tonic::Status;

use super::{Check, Health, Unhealthy};
use crate::call::Outgoing;
use crate::metrics::Sent;
use crate::transport::Connection;

const PATH: &str = "/grpc.health.v1.Health/Watch";

/// The largest message that is read; a health status takes two bytes.
const MAX_MESSAGE: usize = 4 << 10;

/// What goes before each message: a flag for compression, and the length.
const PREFIX: usize = 5;

/// `grpc.health.v1.HealthCheckRequest`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct HealthCheckResponse {
    #[prost(enumeration = "ServingStatus", tag = "1")]
    status: i32,
}

/// `grpc.health.v1.HealthCheckResponse.ServingStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum ServingStatus {
    Unknown = 0,
    Serving = 1,
    NotServing = 2,
    ServiceUnknown = 3,
}

/// Reports each answer, and returns the status that the call ended with.
pub(super) async fn watch(
    connection: &Connection,
    check: &Check,
    service: &str,
    mut report: impl FnMut(Health),
) -> Status {
    let asked = [request(service)];
    let sending = async {
        let place = connection.reserve().await?;
        let request = Outgoing::Complete(&asked);
        place.send(head(check), request, Sent::uncounted()).await
    };
    // Something that is no gRPC server says 404, which stands for UNIMPLEMENTED.
    let response = match sending.await {
        Ok(response) => response,
        Err(failure) => return failure.status,
    };
    if let Some(status) = Status::from_header_map(response.headers()) {
        return status;
    }
    let mut body = response.into_body();
    let mut received = BytesMut::new();
    loop {
        let frame = match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            Some(Ok(frame)) => frame,
            Some(Err(status)) => return status,
            None => return Status::unknown("it ended without a status"),
        };
        match frame.into_data() {
            Ok(data) => received.extend_from_slice(&data),
            Err(frame) => {
                let trailers = frame.trailers_ref().and_then(Status::from_header_map);
                return trailers.unwrap_or_else(|| Status::unknown("it ended without a status"));
            }
        }
        loop {
            match next(&mut received) {
                Ok(None) => break,
                Ok(Some(response)) => report(health(response, service)),
                Err(status) => return status,
            }
        }
    }
}

fn head(check: &Check) -> http::Request<()> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(check.scheme.clone());
    parts.authority = Some(check.authority.clone());
    parts.path_and_query = Some(PathAndQuery::from_static(PATH));
    let mut request = http::Request::new(());
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    // All three parts are there and valid, so nothing can be wrong with their sum.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    let headers = request.headers_mut();
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    let grpc = HeaderValue::from_static("application/grpc");
    headers.insert(header::CONTENT_TYPE, grpc);
    headers.insert(header::USER_AGENT, check.user_agent.clone());
    request
}

fn request(service: &str) -> Bytes {
    let message = HealthCheckRequest {
        service: service.to_owned(),
    };
    let message = message.encode_to_vec();
    let mut frame = BytesMut::with_capacity(PREFIX + message.len());
    frame.put_u8(0);
    // A name that is longer than 4 GiB cannot be had.
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(&message);
    frame.freeze()
}

/// The next message of those received, if all of it is there.
fn next(received: &mut BytesMut) -> Result<Option<HealthCheckResponse>, Status> {
    let Some([compressed, length @ ..]) = received.first_chunk::<PREFIX>().copied() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(length) as usize;
    if compressed != 0 || length > MAX_MESSAGE {
        return Err(Status::internal("no health status is like this"));
    }
    if received.len() < PREFIX + length {
        return Ok(None);
    }
    received.advance(PREFIX);
    let message = received.split_to(length);
    HealthCheckResponse::decode(message)
        .map(Some)
        .map_err(|error| Status::internal(format!("no health status is like this: {error}")))
}

fn health(response: HealthCheckResponse, service: &str) -> Health {
    Health::Unhealthy(match response.status() {
        ServingStatus::Serving => return Health::Serving,
        ServingStatus::NotServing | ServingStatus::Unknown => Unhealthy::NotServing,
        ServingStatus::ServiceUnknown => Unhealthy::ServiceUnknown {
            service: service.to_owned(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(status: ServingStatus) -> Vec<u8> {
        let mut response = HealthCheckResponse::default();
        response.set_status(status);
        let message = response.encode_to_vec();
        let length = u8::try_from(message.len()).unwrap();
        [&[0, 0, 0, 0, length], &message[..]].concat()
    }

    #[test]
    fn a_message_may_arrive_in_pieces() {
        let mut received = BytesMut::new();
        for byte in frame(ServingStatus::Serving) {
            assert_eq!(next(&mut received).unwrap(), None);
            received.put_u8(byte);
        }
        let response = next(&mut received).unwrap().unwrap();
        assert_eq!(health(response, ""), Health::Serving);
        assert!(received.is_empty());
    }

    #[test]
    fn a_status_of_a_later_version_does_not_count_as_serving() {
        let response = HealthCheckResponse { status: 17 };
        assert_eq!(
            health(response, ""),
            Health::Unhealthy(Unhealthy::NotServing)
        );
    }

    proptest! {
        #[test]
        fn whatever_arrives_is_a_message_an_error_or_not_enough(bytes: Vec<u8>) {
            let mut received = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = next(&mut received) {}
        }
    }
}
