//! One Kubernetes object, as a render holds it.
//!
//! It is read as plain data and not as the types of k8s-openapi: half of what is looked at are custom
//! resources, and what a schema says about an object is kubeconform's part.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// An object of a render.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object(Value);

/// Labels, or a selector that compares with them.
pub(crate) type Labels = BTreeMap<String, String>;

// === impl Object ===

impl Object {
    /// `None` when it has no kind, and therefore is no object.
    pub(crate) fn new(value: Value) -> Option<Self> {
        value.get("kind")?.as_str()?;
        Some(Self(value))
    }

    pub(crate) fn kind(&self) -> &str {
        self.text("/kind").unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        self.text("/metadata/name").unwrap_or_default()
    }

    pub(crate) fn namespace(&self) -> Option<&str> {
        self.text("/metadata/namespace")
    }

    /// The group of its API, without the version: `apps`, `networking.istio.io`, and nothing for the
    /// core.
    pub(crate) fn group(&self) -> &str {
        let version = self.text("/apiVersion").unwrap_or_default();
        version.split_once('/').map_or("", |(group, _)| group)
    }

    /// What stands at a JSON pointer (RFC 6901).
    pub(crate) fn get(&self, pointer: &str) -> Option<&Value> {
        self.0.pointer(pointer)
    }

    /// The text at a JSON pointer.
    pub(crate) fn text(&self, pointer: &str) -> Option<&str> {
        self.get(pointer)?.as_str()
    }

    /// The list at a JSON pointer; none is an empty one, as Kubernetes has it.
    pub(crate) fn list(&self, pointer: &str) -> &[Value] {
        list(&self.0, pointer)
    }

    /// The texts by name at a JSON pointer.
    pub(crate) fn labels(&self, pointer: &str) -> Labels {
        self.get(pointer).map(labels).unwrap_or_default()
    }

    /// Everything.
    pub(crate) fn value(&self) -> &Value {
        &self.0
    }
}

/// The kind and the name, as kubectl writes them.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind(), self.name())
    }
}

/// The list at a JSON pointer; none is an empty one.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The text of a field.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field)?.as_str()
}

/// The fields that are texts.
pub(crate) fn labels(value: &Value) -> Labels {
    value
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Whether labels have everything that a selector asks for. An empty selector takes everything.
pub(crate) fn matches(selector: &Labels, labels: &Labels) -> bool {
    selector
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
}

/// `a=b,c=d`, as kubectl writes labels.
pub(crate) fn show(labels: &Labels) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.join(",")
}
