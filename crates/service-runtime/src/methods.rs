//! The methods that a server serves, as its descriptors tell: what a policy has to cover, and which
//! calls are streams.
//!
//! Tables by a method's path are asked on every call, and what is in them is fixed at the start: they use a
//! fast hash (`foldhash`), since nobody who calls can put anything into them.

use prost::Message as _;
use prost_types::FileDescriptorSet;

/// One method of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    /// As HTTP/2 names it: `/package.Service/Method`.
    pub path: String,
    /// Whether either side sends a stream of messages.
    pub is_stream: bool,
}

// === impl Method ===

impl Method {
    /// Every method of a serialized `google.protobuf.FileDescriptorSet`.
    ///
    /// # Errors
    /// When the bytes are something else.
    pub fn of(descriptors: &[u8]) -> Result<Vec<Self>, prost::DecodeError> {
        let set = FileDescriptorSet::decode(descriptors)?;
        let mut methods = Vec::new();
        for file in &set.file {
            for service in &file.service {
                let name = match file.package() {
                    "" => service.name().to_owned(),
                    package => format!("{package}.{}", service.name()),
                };
                methods.extend(service.method.iter().map(|method| Self {
                    path: format!("/{name}/{}", method.name()),
                    is_stream: method.client_streaming() || method.server_streaming(),
                }));
            }
        }
        Ok(methods)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_found_with_its_kind() {
        let methods = Method::of(crate::health::FILE_DESCRIPTOR_SET).unwrap();
        let is_stream = |path: &str| {
            methods
                .iter()
                .find(|method| method.path == path)
                .map(|method| method.is_stream)
        };
        assert_eq!(is_stream("/grpc.health.v1.Health/Check"), Some(false));
        assert_eq!(is_stream("/grpc.health.v1.Health/Watch"), Some(true));
        assert!(Method::of(b"\xff\xff").is_err());
    }
}
