//! Which methods may be sent twice, as their `.proto` says.
//!
//! A hand-kept list of retryable methods forgets the next one; `idempotency_level` stands beside the
//! method itself.

use std::collections::HashSet;

use prost::Message as _;
use prost_types::FileDescriptorSet;
use prost_types::method_options::IdempotencyLevel;

/// The paths, such as `/package.Service/Method`, of the methods that are marked `NO_SIDE_EFFECTS` or
/// `IDEMPOTENT`.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdempotentMethods(HashSet<Box<str>>);

/// Why the methods of a descriptor set are not known.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the methods could not be read: expected a serialized google.protobuf.FileDescriptorSet")]
pub(crate) struct DescriptorError(#[from] prost::DecodeError);

// === impl IdempotentMethods ===

impl IdempotentMethods {
    /// Adds those of a serialized `google.protobuf.FileDescriptorSet`.
    pub(crate) fn add(&mut self, descriptors: &[u8]) -> Result<(), DescriptorError> {
        for file in FileDescriptorSet::decode(descriptors)?.file {
            let package = match file.package() {
                "" => String::new(),
                package => format!("{package}."),
            };
            for service in &file.service {
                let idempotent = service.method.iter().filter(|method| {
                    method.options.as_ref().is_some_and(|options| {
                        options.idempotency_level() != IdempotencyLevel::IdempotencyUnknown
                    })
                });
                self.0.extend(idempotent.map(|method| {
                    format!("/{package}{}/{}", service.name(), method.name()).into_boxed_str()
                }));
            }
        }
        Ok(())
    }

    pub(crate) fn contains(&self, path: &str) -> bool {
        self.0.contains(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::{
        FileDescriptorProto, MethodDescriptorProto, MethodOptions, ServiceDescriptorProto,
    };

    #[test]
    fn the_idempotency_level_decides() {
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
                    ],
                    ..ServiceDescriptorProto::default()
                }],
                ..FileDescriptorProto::default()
            }],
        };
        let mut methods = IdempotentMethods::default();
        methods.add(&set.encode_to_vec()).unwrap();
        assert!(methods.contains("/echo.v1.EchoService/Read"));
        assert!(methods.contains("/echo.v1.EchoService/Put"));
        assert!(!methods.contains("/echo.v1.EchoService/Add"));
    }

    #[test]
    fn bytes_that_are_no_descriptor_set_are_an_error() {
        assert!(IdempotentMethods::default().add(b"\xff\xff").is_err());
    }
}
