//! The contract of `user.v1.UserService`.
//!
//! `proto/user/v1/*.proto` is the source; its comments are the documentation. This crate holds what
//! is generated from it and nothing else, so that a server and a client can share it without
//! sharing anything more:
//!
//! - [`v1`]: the messages, [`v1::user_service_client`] and [`v1::user_service_server`];
//! - [`FILE_DESCRIPTOR_SET`]: the same contract as data, for server reflection and for tools.

/// The messages, the client and the server of package `user.v1`.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    reason = "generated code; its documentation is the .proto's comments"
)]
pub mod v1 {
    tonic::include_proto!("user.v1");
}

/// The serialized `google.protobuf.FileDescriptorSet` of `user.v1` and of all that it imports.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb"));
