//! The pod that a workload makes, and its containers: the same view of a Deployment, a StatefulSet, a
//! CronJob, a Knative Service.

use std::collections::BTreeMap;

use serde_json::Value;

use super::object::{Labels, Object, list, text};
use super::render::Render;

/// Where the pod's template stands in the kinds that have one.
const TEMPLATES: [(&str, &str, &str); 8] = [
    ("apps", "Deployment", "/spec/template"),
    ("apps", "StatefulSet", "/spec/template"),
    ("apps", "DaemonSet", "/spec/template"),
    ("apps", "ReplicaSet", "/spec/template"),
    ("batch", "Job", "/spec/template"),
    ("batch", "CronJob", "/spec/jobTemplate/spec/template"),
    ("serving.knative.dev", "Service", "/spec/template"),
    ("", "Pod", ""),
];

/// What is injected for a name that only the running pod has.
const POD_NAME: &str = "pod-0";

/// The pods that a workload makes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pod<'a> {
    /// The workload.
    pub(crate) owner: &'a Object,
    /// Where its template stands, as a JSON pointer.
    template: &'static str,
}

/// A container of a pod.
#[derive(Clone, Debug)]
pub(crate) struct Container<'a> {
    /// The pod that it runs in.
    pub(crate) pod: Pod<'a>,
    /// Where it stands in the workload, as a JSON pointer.
    pub(crate) pointer: String,
    /// Itself.
    pub(crate) value: &'a Value,
}

/// A file in a container that comes from the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mounted {
    /// `ConfigMap` or `Secret`.
    pub(crate) kind: &'static str,
    /// Its name.
    pub(crate) name: String,
    /// The key that holds the file.
    pub(crate) key: String,
}

// === impl Pod ===

impl<'a> Pod<'a> {
    pub(crate) fn of(owner: &'a Object) -> Option<Self> {
        let (_, _, template) = TEMPLATES
            .into_iter()
            .find(|(group, kind, _)| owner.group() == *group && owner.kind() == *kind)?;
        owner
            .get(&format!("{template}/spec"))
            .map(|_| Self { owner, template })
    }

    /// A pointer within the pod's spec, from the workload's root.
    pub(crate) fn pointer(&self, within: &str) -> String {
        format!("{}/spec{within}", self.template)
    }

    /// What stands at a pointer within the pod's spec.
    pub(crate) fn get(&self, within: &str) -> Option<&'a Value> {
        self.owner.get(&self.pointer(within))
    }

    pub(crate) fn labels(&self) -> Labels {
        self.owner
            .labels(&format!("{}/metadata/labels", self.template))
    }

    pub(crate) fn account(&self) -> &'a str {
        self.get("/serviceAccountName")
            .and_then(Value::as_str)
            .unwrap_or("default")
    }

    /// All containers, those that run before the others too.
    pub(crate) fn containers(self) -> impl Iterator<Item = Container<'a>> {
        ["initContainers", "containers"]
            .into_iter()
            .flat_map(move |field| {
                let all = self.owner.list(&self.pointer(&format!("/{field}")));
                all.iter().enumerate().map(move |(index, value)| Container {
                    pod: self,
                    pointer: self.pointer(&format!("/{field}/{index}")),
                    value,
                })
            })
    }

    /// The volume of this name.
    fn volume(&self, name: &str) -> Option<&'a Value> {
        let volumes = self.owner.list(&self.pointer("/volumes"));
        volumes.iter().find(|it| text(it, "name") == Some(name))
    }
}

// === impl Container ===

impl<'a> Container<'a> {
    pub(crate) fn name(&self) -> &'a str {
        text(self.value, "name").unwrap_or_default()
    }

    /// The image's name without registry, tag and digest.
    pub(crate) fn program(&self) -> &'a str {
        let image = text(self.value, "image").unwrap_or_default();
        let image = image.split('@').next().unwrap_or_default();
        let last = image.rsplit('/').next().unwrap_or_default();
        last.split(':').next().unwrap_or_default()
    }

    /// A pointer within it, from the workload's root.
    pub(crate) fn at(&self, within: &str) -> String {
        format!("{}{within}", self.pointer)
    }

    /// The ports that it declares: name, number and protocol.
    pub(crate) fn ports(&self) -> Vec<(&'a str, u64, &'a str)> {
        let port = |it: &'a Value| {
            Some((
                text(it, "name").unwrap_or_default(),
                it.get("containerPort")?.as_u64()?,
                text(it, "protocol").unwrap_or("TCP"),
            ))
        };
        list(self.value, "/ports").iter().filter_map(port).collect()
    }

    /// Its arguments, with what `$(NAME)` stands for.
    pub(crate) fn arguments(&self, render: &Render) -> Vec<String> {
        let environment = self.environment(render);
        list(self.value, "/args")
            .iter()
            .filter_map(Value::as_str)
            .map(|argument| expand(argument, &environment))
            .collect()
    }

    /// The environment that it would have, as far as the render says.
    pub(crate) fn environment(&self, render: &Render) -> BTreeMap<String, String> {
        let mut environment = BTreeMap::new();
        for source in list(self.value, "/envFrom") {
            for (field, kind) in [("configMapRef", "ConfigMap"), ("secretRef", "Secret")] {
                let name = source.get(field).and_then(|it| text(it, "name"));
                let prefix = text(source, "prefix").unwrap_or_default();
                let data = name.and_then(|name| render.data(kind, name));
                let named = data.into_iter().flatten();
                environment.extend(named.map(|(key, value)| (format!("{prefix}{key}"), value)));
            }
        }
        for variable in list(self.value, "/env") {
            let Some(name) = text(variable, "name") else {
                continue;
            };
            let value = match text(variable, "value") {
                Some(value) => Some(expand(value, &environment)),
                None => self.value_from(render, variable),
            };
            environment.extend(value.map(|value| (name.to_owned(), value)));
        }
        environment
    }

    fn value_from(&self, render: &Render, variable: &Value) -> Option<String> {
        let from = variable.get("valueFrom")?;
        if let Some(field) = from.pointer("/fieldRef/fieldPath").and_then(Value::as_str) {
            let owner = self.pod.owner;
            return match field {
                "metadata.namespace" => Some(owner.namespace().unwrap_or("default").to_owned()),
                "metadata.name" => Some(POD_NAME.to_owned()),
                "spec.serviceAccountName" => Some(self.pod.account().to_owned()),
                field => {
                    let label = field.strip_prefix("metadata.labels['")?;
                    self.pod.labels().remove(label.strip_suffix("']")?)
                }
            };
        }
        [("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")]
            .into_iter()
            .find_map(|(field, kind)| {
                let reference = from.get(field)?;
                let data = render.data(kind, text(reference, "name")?)?;
                data.get(text(reference, "key")?).cloned()
            })
    }

    /// Where a file of the container comes from, if it is mounted from a ConfigMap or a Secret.
    pub(crate) fn mounted(&self, path: &str) -> Option<Mounted> {
        let mounts = list(self.value, "/volumeMounts").iter();
        let source = |mount: &'a Value| {
            let folder = text(mount, "mountPath")?;
            let file = path.strip_prefix(folder.trim_end_matches('/'))?;
            let file = match text(mount, "subPath") {
                Some(key) if file.is_empty() => key,
                Some(_) => return None,
                None => file.strip_prefix('/')?,
            };
            let volume = self.pod.volume(text(mount, "name")?)?;
            Some((folder.len(), source_of(volume, file)?))
        };
        // Of two mounts, the deeper one hides what the other has there.
        let deepest = mounts.filter_map(source).max_by_key(|(depth, _)| *depth);
        deepest.map(|(_, source)| source)
    }
}

/// Which key of which object stands behind a file of a volume.
fn source_of(volume: &Value, file: &str) -> Option<Mounted> {
    let find = |kind, source: &Value, field| {
        let key = match list(source, "/items") {
            [] => file,
            items => items
                .iter()
                .find(|it| text(it, "path") == Some(file))
                .and_then(|it| text(it, "key"))?,
        };
        Some(Mounted {
            kind,
            name: text(source, field)?.to_owned(),
            key: key.to_owned(),
        })
    };
    let one = |value: &Value| {
        let config_map = value.get("configMap");
        let secret = value.get("secret");
        config_map
            .and_then(|it| find("ConfigMap", it, "name"))
            .or_else(|| {
                let it = secret?;
                find("Secret", it, "secretName").or_else(|| find("Secret", it, "name"))
            })
    };
    one(volume).or_else(|| list(volume, "/projected/sources").iter().find_map(one))
}

/// Replaces `$(NAME)` as Kubernetes does: what is unknown stays as it is, and `$$` is one `$`.
fn expand(value: &str, environment: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|it| it.split_once(')'))
        {
            match environment.get(name) {
                Some(value) => out.push_str(value),
                None => out.push_str(&format!("$({name})")),
            }
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: mall}
spec:
  template:
    spec:
      containers:
        - name: shop
          image: registry.example.com:5000/shop:1.2.3@sha256:00
          args: [--config, /etc/shop/config.toml]
          env:
            - {name: NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
            - {name: TARGET, value: 'dns:///api.$(NAMESPACE).svc:$$1$(NO)'}
            - {name: URL, valueFrom: {secretKeyRef: {name: db, key: url}}}
          volumeMounts:
            - {name: config, mountPath: /etc/shop}
            - {name: identity, mountPath: /etc/shop/tls}
      volumes:
        - {name: config, configMap: {name: shop-config}}
        - name: identity
          secret: {secretName: shop-tls, items: [{key: tls.crt, path: certificate}]}
---
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {url: sqlite}
";

    fn with_container<T>(look: impl FnOnce(&Render, Container<'_>) -> T) -> T {
        let render = Render::parse("pod", POD).unwrap();
        let container = render.pods().flat_map(Pod::containers).next().unwrap();
        look(&render, container)
    }

    #[test]
    fn the_environment_is_what_a_pod_would_see() {
        with_container(|render, container| {
            let environment = container.environment(render);
            assert_eq!(environment["TARGET"], "dns:///api.mall.svc:$1$(NO)");
            assert_eq!(environment["URL"], "sqlite");
        });
    }

    #[test]
    fn a_mounted_file_is_traced_to_its_key() {
        with_container(|_, container| {
            let mounted = |kind, name: &str, key: &str| {
                Some(Mounted {
                    kind,
                    name: name.to_owned(),
                    key: key.to_owned(),
                })
            };
            assert_eq!(
                container.mounted("/etc/shop/config.toml"),
                mounted("ConfigMap", "shop-config", "config.toml")
            );
            assert_eq!(
                container.mounted("/etc/shop/tls/certificate"),
                mounted("Secret", "shop-tls", "tls.crt"),
                "the deeper mount hides what is under it"
            );
            assert_eq!(container.mounted("/etc/other"), None);
        });
    }

    #[test]
    fn the_program_is_the_image_without_registry_and_tag() {
        with_container(|_, container| assert_eq!(container.program(), "shop"));
    }
}
