//! What a `.proto` says about its methods: which may be sent twice, and which answer with a stream.
//!
//! A hand-kept list of retryable methods forgets the next one; `idempotency_level` stands beside the
//! method itself.

use std::collections::HashMap;

use prost::Message as _;
use prost_types::method_options::IdempotencyLevel;
use prost_types::{FileDescriptorSet, MethodDescriptorProto};

/// The methods of the descriptors that the channel was given, by paths such as
/// `/package.Service/Method`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Descriptors(HashMap<Box<str>, Descriptor>);

/// What is known about one method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// Whether it is marked `NO_SIDE_EFFECTS` or `IDEMPOTENT`.
    pub(crate) idempotent: bool,
    /// Whether its response is a stream of messages.
    pub(crate) server_streaming: bool,
}

/// Why the methods of a descriptor set are not known.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the methods could not be read: expected a serialized google.protobuf.FileDescriptorSet")]
pub(crate) struct DescriptorError(#[from] prost::DecodeError);

// === impl Descriptors ===

impl Descriptors {
    /// Adds those of a serialized `google.protobuf.FileDescriptorSet`.
    pub(crate) fn add(&mut self, descriptors: &[u8]) -> Result<(), DescriptorError> {
        for file in FileDescriptorSet::decode(descriptors)?.file {
            let package = match file.package() {
                "" => String::new(),
                package => format!("{package}."),
            };
            for service in &file.service {
                self.0.extend(service.method.iter().map(|method| {
                    let path = format!("/{package}{}/{}", service.name(), method.name());
                    (path.into_boxed_str(), Descriptor::of(method))
                }));
            }
        }
        Ok(())
    }

    /// The paths of all of them.
    #[cfg(feature = "otel")]
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|path| &**path)
    }

    pub(crate) fn get(&self, path: &str) -> Option<Descriptor> {
        self.0.get(path).copied()
    }
}

// === impl Descriptor ===

impl Descriptor {
    fn of(method: &MethodDescriptorProto) -> Self {
        Self {
            idempotent: method.options.as_ref().is_some_and(|options| {
                options.idempotency_level() != IdempotencyLevel::IdempotencyUnknown
            }),
            server_streaming: method.server_streaming(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::{FileDescriptorProto, MethodOptions, ServiceDescriptorProto};

    #[test]
    fn a_method_is_as_its_descriptor_says() {
        let method = |name: &str, level: Option<IdempotencyLevel>| MethodDescriptorProto {
            name: Some(name.to_owned()),
            options: level.map(|level| MethodOptions {
                idempotency_level: Some(level.into()),
                ..MethodOptions::default()
            }),
            ..MethodDescriptorProto::default()
        };
        let set = FileDescriptorSet {
            file: vec![FileDescriptorProto {
                package: Some("echo.v1".to_owned()),
                service: vec![ServiceDescriptorProto {
                    name: Some("EchoService".to_owned()),
                    method: vec![
                        method("Read", Some(IdempotencyLevel::NoSideEffects)),
                        method("Put", Some(IdempotencyLevel::Idempotent)),
                        method("Add", None),
                        MethodDescriptorProto {
                            server_streaming: Some(true),
                            ..method("Watch", Some(IdempotencyLevel::NoSideEffects))
                        },
                    ],
                    ..ServiceDescriptorProto::default()
                }],
                ..FileDescriptorProto::default()
            }],
        };
        let mut methods = Descriptors::default();
        methods.add(&set.encode_to_vec()).unwrap();
        for (path, idempotent, server_streaming) in [
            ("/echo.v1.EchoService/Read", true, false),
            ("/echo.v1.EchoService/Put", true, false),
            ("/echo.v1.EchoService/Add", false, false),
            ("/echo.v1.EchoService/Watch", true, true),
        ] {
            let expected = Descriptor {
                idempotent,
                server_streaming,
            };
            assert_eq!(methods.get(path), Some(expected), "{path}");
        }
        assert_eq!(methods.get("/echo.v1.EchoService/Other"), None);
    }

    #[test]
    fn bytes_that_are_no_descriptor_set_are_an_error() {
        assert!(Descriptors::default().add(b"\xff\xff").is_err());
    }
}
