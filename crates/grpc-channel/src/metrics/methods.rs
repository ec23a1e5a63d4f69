//! Which methods the metrics name, and the labels that each of them has ready.
//!
//! A proxy calls whatever it is asked to call, and every new name would be new time series for ever.
//! So gRFC A66 wants a method named only if the program knew it beforehand; all others are `other`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::Extensions;
use opentelemetry::KeyValue;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::{Code, GrpcMethod};

use crate::code::NAMES;

/// The paths, such as `/package.Service/Method`, of all methods that descriptors tell of.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownMethods(HashSet<Box<str>>);

/// The labels of every method that has been told of or called by a generated client.
#[derive(Debug)]
pub(super) struct Methods {
    target: KeyValue,
    known: ArcSwap<HashMap<Box<str>, Arc<Labels>>>,
    other: Arc<Labels>,
}

/// The labels of one method, made once.
#[derive(Debug)]
pub(super) struct Labels {
    /// `grpc.method` and `grpc.target`.
    pub(super) method: [KeyValue; 2],
    /// The same with `grpc.status`, each at the place of its code.
    with_status: [[KeyValue; 3]; NAMES.len()],
}

// === impl KnownMethods ===

impl KnownMethods {
    /// Adds those of a serialized `google.protobuf.FileDescriptorSet`. Bytes that are none add
    /// nothing; the builder reports them when it reads the idempotent methods.
    pub(crate) fn add(&mut self, descriptors: &[u8]) {
        let Ok(set) = FileDescriptorSet::decode(descriptors) else {
            return;
        };
        for file in &set.file {
            let package = match file.package() {
                "" => String::new(),
                package => format!("{package}."),
            };
            for service in &file.service {
                self.0.extend(service.method.iter().map(|method| {
                    format!("/{package}{}/{}", service.name(), method.name()).into_boxed_str()
                }));
            }
        }
    }
}

// === impl Methods ===

impl Methods {
    pub(super) fn new(target: KeyValue, known: KnownMethods) -> Self {
        let known = known.0.into_iter().map(|path| {
            let labels = Labels::new(&path, &target);
            (path, Arc::new(labels))
        });
        Self {
            known: ArcSwap::from_pointee(known.collect()),
            other: Arc::new(Labels::new("other", &target)),
            target,
        }
    }

    /// The labels of a call. A lookup without a lock, except for the first call of a method that only
    /// its generated client tells of.
    pub(super) fn labels(&self, path: &str, extensions: &Extensions) -> Arc<Labels> {
        if let Some(labels) = self.known.load().get(path) {
            return labels.clone();
        }
        if !is_generated(path, extensions) {
            return self.other.clone();
        }
        let labels = Arc::new(Labels::new(path, &self.target));
        self.known.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.insert(path.into(), labels.clone());
            known
        });
        labels
    }
}

/// Whether the code that tonic generates makes this call: it puts the method's name, which is a
/// constant of the program, into the extensions.
fn is_generated(path: &str, extensions: &Extensions) -> bool {
    let method = extensions.get::<GrpcMethod<'static>>();
    method.is_some_and(|generated| {
        let parts = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        parts == Some((generated.service(), generated.method()))
    })
}

// === impl Labels ===

impl Labels {
    fn new(path: &str, target: &KeyValue) -> Self {
        let name: Arc<str> = path.strip_prefix('/').unwrap_or(path).into();
        let method = [KeyValue::new("grpc.method", name), target.clone()];
        let with_status = NAMES.map(|name| {
            let [method, target] = method.clone();
            [method, target, KeyValue::new("grpc.status", name)]
        });
        Self {
            method,
            with_status,
        }
    }

    pub(super) fn with_status(&self, code: Code) -> &[KeyValue] {
        let place = usize::try_from(i32::from(code)).unwrap_or_default();
        // Code has no other numbers.
        self.with_status.get(place).map_or(&[], |labels| labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method_label(methods: &Methods, path: &str, extensions: &Extensions) -> String {
        methods.labels(path, extensions).method[0].value.to_string()
    }

    #[test]
    fn a_method_is_named_only_if_the_program_knew_it() {
        let known = KnownMethods(["/echo.v1.EchoService/Read".into()].into());
        let methods = Methods::new(KeyValue::new("grpc.target", "dns:///echo:50051"), known);
        let mut extensions = Extensions::new();
        for (path, expected) in [
            ("/echo.v1.EchoService/Read", "echo.v1.EchoService/Read"),
            ("/echo.v1.EchoService/Add", "other"),
            ("/made/up", "other"),
        ] {
            assert_eq!(method_label(&methods, path, &extensions), expected);
        }
        extensions.insert(GrpcMethod::new("echo.v1.EchoService", "Add"));
        for (path, expected) in [
            ("/echo.v1.EchoService/Add", "echo.v1.EchoService/Add"),
            ("/echo.v1.EchoService/Sub", "other"),
        ] {
            assert_eq!(method_label(&methods, path, &extensions), expected);
        }
        assert_eq!(methods.known.load().len(), 2, "what is other is not kept");
    }

    #[test]
    fn every_code_has_its_labels() {
        let labels = Labels::new("/a/b", &KeyValue::new("grpc.target", "dns:///echo:50051"));
        for (number, name) in (0..).zip(NAMES) {
            let labels = labels.with_status(Code::from_i32(number));
            assert_eq!(labels[2].value.as_str(), name);
        }
    }
}
