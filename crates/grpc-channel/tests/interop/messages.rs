//! The messages of `grpc.testing` that the cases need, by hand: the crate has no build script, and
//! seven small messages need no vendored file.
//!
//! The numbers are those of [`messages.proto`]; fields that no case uses are left out, which protobuf
//! allows.
//!
//! [`messages.proto`]: https://github.com/grpc/grpc/blob/master/src/proto/grpc/testing/messages.proto

use bytes::Bytes;
use prost::Message as _;
use prost_types::method_options::IdempotencyLevel;
use prost_types::{
    FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, MethodOptions,
    ServiceDescriptorProto,
};

/// The package and the service of every case but one.
pub(crate) const SERVICE: &str = "grpc.testing.TestService";

/// Zeros, so many.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Payload {
    /// `PayloadType`, which has only one value left: COMPRESSABLE, 0.
    #[prost(int32, tag = "1")]
    pub(crate) r#type: i32,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) body: Bytes,
}

/// The status that a call is to end with.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct EchoStatus {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct SimpleRequest {
    #[prost(int32, tag = "2")]
    pub(crate) response_size: i32,
    #[prost(message, optional, tag = "3")]
    pub(crate) payload: Option<Payload>,
    #[prost(message, optional, tag = "7")]
    pub(crate) response_status: Option<EchoStatus>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct SimpleResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) payload: Option<Payload>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct StreamingInputCallRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) payload: Option<Payload>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct StreamingInputCallResponse {
    #[prost(int32, tag = "1")]
    pub(crate) aggregated_payload_size: i32,
}

/// Asks for one response of this size.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct ResponseParameters {
    #[prost(int32, tag = "1")]
    pub(crate) size: i32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct StreamingOutputCallRequest {
    #[prost(message, repeated, tag = "2")]
    pub(crate) response_parameters: Vec<ResponseParameters>,
    #[prost(message, optional, tag = "3")]
    pub(crate) payload: Option<Payload>,
    #[prost(message, optional, tag = "7")]
    pub(crate) response_status: Option<EchoStatus>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct StreamingOutputCallResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) payload: Option<Payload>,
}

/// Which of the service's methods are idempotent. Its own file does not say; we know that `EmptyCall`
/// does nothing, and leave the others as they are.
pub(crate) fn descriptors() -> Vec<u8> {
    let (package, service) = SERVICE.rsplit_once('.').expect("the service has a package");
    let empty_call = MethodDescriptorProto {
        name: Some("EmptyCall".to_owned()),
        options: Some(MethodOptions {
            idempotency_level: Some(IdempotencyLevel::NoSideEffects.into()),
            ..MethodOptions::default()
        }),
        ..MethodDescriptorProto::default()
    };
    let file = FileDescriptorProto {
        package: Some(package.to_owned()),
        service: vec![ServiceDescriptorProto {
            name: Some(service.to_owned()),
            method: vec![empty_call],
            ..ServiceDescriptorProto::default()
        }],
        ..FileDescriptorProto::default()
    };
    FileDescriptorSet { file: vec![file] }.encode_to_vec()
}

/// A size as the messages have it.
fn wire(size: usize) -> i32 {
    i32::try_from(size).expect("the sizes of the cases fit")
}

// === impl Payload ===

impl Payload {
    pub(crate) fn zeros(size: usize) -> Self {
        Self {
            r#type: 0,
            body: vec![0; size].into(),
        }
    }
}

// === impl SimpleRequest ===

impl SimpleRequest {
    pub(crate) fn sized(request: usize, response: usize) -> Self {
        Self {
            response_size: wire(response),
            payload: Some(Payload::zeros(request)),
            response_status: None,
        }
    }

    pub(crate) fn failing(status: EchoStatus) -> Self {
        Self {
            response_status: Some(status),
            ..Self::default()
        }
    }
}

// === impl SimpleResponse ===

impl SimpleResponse {
    pub(crate) fn sized(size: usize) -> Self {
        Self {
            payload: Some(Payload::zeros(size)),
        }
    }
}

// === impl StreamingInputCallRequest ===

impl StreamingInputCallRequest {
    pub(crate) fn sized(size: usize) -> Self {
        Self {
            payload: Some(Payload::zeros(size)),
        }
    }
}

// === impl StreamingOutputCallRequest ===

impl StreamingOutputCallRequest {
    /// Asks for one response of each of these sizes, in their order.
    pub(crate) fn asking_for(sizes: &[usize]) -> Self {
        let parameters = |size: &usize| ResponseParameters { size: wire(*size) };
        Self {
            response_parameters: sizes.iter().map(parameters).collect(),
            ..Self::default()
        }
    }

    pub(crate) fn with_payload(mut self, size: usize) -> Self {
        self.payload = Some(Payload::zeros(size));
        self
    }

    pub(crate) fn failing(status: EchoStatus) -> Self {
        Self {
            response_status: Some(status),
            ..Self::default()
        }
    }
}

// === impl StreamingOutputCallResponse ===

impl StreamingOutputCallResponse {
    pub(crate) fn sized(size: usize) -> Self {
        Self {
            payload: Some(Payload::zeros(size)),
        }
    }
}
