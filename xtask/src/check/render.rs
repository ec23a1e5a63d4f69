//! A render: all objects that one `kubectl apply -k` would send.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use super::object::{Object, matches};
use super::pod::Pod;

/// The objects of one render.
#[derive(Clone, Debug)]
pub(crate) struct Render {
    /// What was rendered: `plain`, or `plain + network-policy`.
    pub(crate) name: String,
    /// What came of it, in its order.
    pub(crate) objects: Vec<Object>,
}

/// The text is not what kustomize writes.
#[derive(Debug, thiserror::Error)]
#[error("the render of {name} is not YAML")]
pub(crate) struct NotYaml {
    /// What was rendered.
    name: String,
    /// Why.
    source: Box<serde_saphyr::Error>,
}

// === impl Render ===

impl Render {
    /// Reads what kustomize has written: any number of YAML documents.
    pub(crate) fn parse(name: &str, yaml: &str) -> Result<Self, NotYaml> {
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(yaml).map_err(|source| NotYaml {
                name: name.to_owned(),
                source: source.into(),
            })?;
        Ok(Self {
            name: name.to_owned(),
            objects: documents.into_iter().filter_map(Object::new).collect(),
        })
    }

    /// The objects of a kind.
    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Object> {
        self.objects.iter().filter(move |it| it.kind() == kind)
    }

    /// The objects of a kind and of a group of the API, where the kind alone is ambiguous.
    pub(crate) fn of<'a>(
        &'a self,
        group: &'a str,
        kind: &'a str,
    ) -> impl Iterator<Item = &'a Object> {
        self.of_kind(kind).filter(move |it| it.group() == group)
    }

    /// The object of this kind and name.
    pub(crate) fn find(&self, kind: &str, name: &str) -> Option<&Object> {
        self.objects
            .iter()
            .find(|it| it.kind() == kind && it.name() == name)
    }

    /// The Services of the core, which Knative's are not.
    pub(crate) fn services(&self) -> impl Iterator<Item = &Object> {
        self.of("", "Service")
    }

    /// The pods that the workloads make.
    pub(crate) fn pods(&self) -> impl Iterator<Item = Pod<'_>> {
        self.objects.iter().filter_map(Pod::of)
    }

    /// The pods behind a Service: none when it has no selector.
    pub(crate) fn behind<'a>(&'a self, service: &Object) -> Vec<Pod<'a>> {
        let selector = service.labels("/spec/selector");
        self.pods()
            .filter(|pod| !selector.is_empty() && matches(&selector, &pod.labels()))
            .collect()
    }

    /// The Service that a DNS name means for somebody in `namespace`: its bare name, or with the
    /// namespace, `svc` and the cluster's domain behind it.
    pub(crate) fn service(&self, host: &str, namespace: Option<&str>) -> Option<&Object> {
        let host = host.strip_suffix('.').unwrap_or(host);
        let host = host.strip_suffix(".cluster.local").unwrap_or(host);
        let host = host.strip_suffix(".svc").unwrap_or(host);
        let (name, of) = match host.split_once('.') {
            Some((name, of)) => (name, Some(of)),
            None => (host, namespace),
        };
        self.services()
            .find(|it| it.name() == name && (it.namespace() == of || it.namespace().is_none()))
    }

    /// What a `ConfigMap` or a Secret of this name holds, by key. Values of a Secret that are no text
    /// are left out.
    pub(crate) fn data(&self, kind: &str, name: &str) -> Option<BTreeMap<String, String>> {
        let object = self.find(kind, name)?;
        let mut data = object.labels("/data");
        if kind == "Secret" {
            data = data
                .into_iter()
                .filter_map(|(key, value)| {
                    // kustomize breaks long ones into lines.
                    let packed: String = value.split_whitespace().collect();
                    let bytes = BASE64.decode(packed).ok()?;
                    Some((key, String::from_utf8(bytes).ok()?))
                })
                .collect();
            data.extend(object.labels("/stringData"));
        }
        Some(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: mall}
spec: {selector: {app: shop}}
---
apiVersion: v1
kind: Secret
metadata: {name: db}
data:
  url: |
    cG9zdGdy
    ZXM6Ly9h

";

    #[test]
    fn a_service_is_found_by_each_of_its_names() {
        let render = Render::parse("two", TWO).unwrap();
        for name in [
            "shop",
            "shop.mall",
            "shop.mall.svc",
            "shop.mall.svc.cluster.local",
            "shop.mall.svc.cluster.local.",
        ] {
            assert!(render.service(name, Some("mall")).is_some(), "{name}");
        }
        for name in ["shop.other", "db", "shop.example.com"] {
            assert!(render.service(name, Some("mall")).is_none(), "{name}");
        }
        assert!(
            render.service("shop", Some("other")).is_none(),
            "a bare name is one of the own namespace"
        );
    }

    #[test]
    fn a_secret_is_read_as_a_pod_would() {
        let render = Render::parse("two", TWO).unwrap();
        let data = render.data("Secret", "db").unwrap();
        assert_eq!(data["url"], "postgres://a");
    }
}
